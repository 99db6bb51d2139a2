// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// Signals as something that a loop waits for. Make it in the main thread before any other thread starts: the signals
/// are blocked from then on.
public struct Signals: ~Copyable {
    private let source: Descriptor

    /// Takes these signals, and ignores SIGPIPE for the whole process.
    public init(_ numbers: [Int32]) throws(SystemError) {
        signal(SIGPIPE, SIG_IGN)
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        let result = signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
        guard result >= 0 else { throw SystemError("make a signalfd", code: errno) }
        source = Descriptor(owning: result)
    }

    /// For the loop: register it as level-triggered.
    public var descriptor: Int32 { source.number }

    /// The next signal that has come; `nil` when there is none.
    public func next() -> Int32? {
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        guard read(source.number, &information, size) == size else { return nil }
        return Int32(bitPattern: information.ssi_signo)
    }
}
