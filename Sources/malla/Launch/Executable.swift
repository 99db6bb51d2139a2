// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A program file that this process can become.
struct Executable {
    private let path: String

    /// Finds the program as a shell would: a name with a slash is a path, any other is looked up in `PATH`.
    init(searching name: String) throws {
        if name.contains("/") {
            guard access(name, X_OK) == 0 else { throw Failure.system("cannot run \(name)", errno) }
            guard !Self.isDirectory(name) else { throw Failure("cannot run \(name): it is a directory") }
            path = name
            return
        }
        let directories = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        let found = directories.split(separator: ":").map { "\($0)/\(name)" }.first {
            access($0, X_OK) == 0 && !Self.isDirectory($0)
        }
        guard let found else {
            throw Failure(
                "there is no command '\(Table.printable(name))' in PATH",
                hint: "give its path, for example ./\(Table.printable(name))")
        }
        path = found
    }

    /// Becomes the program. Returns only by throwing.
    func replaceProcess(arguments: [String]) throws {
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        pointers.append(nil)
        execv(path, pointers)
        let code = errno
        for pointer in pointers { free(pointer) }
        throw Failure.system(
            "cannot run \(path)", code,
            hint: code == ENOEXEC ? "a script needs a first line like #!/bin/sh" : nil)
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
