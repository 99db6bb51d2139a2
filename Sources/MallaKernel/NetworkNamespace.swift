// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Other network namespaces than the daemon's own.
enum NetworkNamespace {
    /// Runs `body` in the namespace that a file names, on a thread of its own, and waits for it.
    ///
    /// - Returns: what `body` returned; nil when there is no such namespace any more.
    /// - Throws: what `body` threw; ``KernelError`` when the thread cannot get in there, for which it needs CAP_SYS_ADMIN.
    static func visit<Value>(_ path: String, _ body: () throws -> Value) throws -> Value? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ESRCH { return nil }
            throw KernelError(.system, "cannot open the network namespace \(path): \(text(errno))")
        }
        defer { close(descriptor) }
        var outcome: Result<Value, any Error>?
        let result = withoutActuallyEscaping({ outcome = Result(catching: body) }) { run in
            let visit = Visit(run)
            return linux_in_namespace(
                descriptor,
                { argument in
                    guard let argument else { return }
                    Unmanaged<Visit>.fromOpaque(argument).takeUnretainedValue().run()
                }, Unmanaged.passUnretained(visit).toOpaque())
        }
        // EINVAL: the name's file is left over, its namespace is gone.
        if result == -EINVAL { return nil }
        guard result == 0, let outcome else {
            throw KernelError(
                .system, "cannot go into the network namespace \(path): \(text(0 &- result))",
                hint: "give the daemon CAP_SYS_ADMIN, or connections there are judged at their next packet only")
        }
        return try outcome.get()
    }

    private static func text(_ code: CInt) -> String { String(cString: strerror(code)) }

    private final class Visit {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }
}
