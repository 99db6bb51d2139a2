// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// A plain thread of the operating system: workers own their state and never share an executor.
public struct Thread: Sendable {
    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    private let handle: pthread_t

    /// Starts a thread that runs `body`. `name` is what `top -H` shows, of which 15 bytes are kept. All signals are
    /// blocked in it: they are the main thread's.
    public init(name: String, body: @escaping @Sendable () -> Void) throws(SystemError) {
        let start = Unmanaged.passRetained(Start(name: String(name.prefix(15)), body: body))
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var handle = pthread_t()
        let result = pthread_create(
            &handle, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                linux_name_thread(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        guard result == 0 else {
            start.release()
            throw SystemError("start thread \(name)", code: result)
        }
        self.handle = handle
    }

    /// Waits for the thread's end. Once only.
    public func join() { pthread_join(handle, nil) }
}
