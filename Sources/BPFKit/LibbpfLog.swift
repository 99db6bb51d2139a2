// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Glibc

/// Catches what libbpf would print, so that it can be part of an error instead of noise on stderr.
///
/// libbpf has one print callback for the process and calls it on the thread that called libbpf; so what is caught is
/// kept per thread. What libbpf says outside of ``capture(_:)`` is dropped.
enum LibbpfLog {
    private final class Lines {
        var text = ""
    }

    private static let threadKey: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        libbpf_set_print { level, format, arguments in
            guard level.rawValue <= LIBBPF_WARN.rawValue, let format, let arguments,
                let lines = pthread_getspecific(LibbpfLog.threadKey)
            else { return 0 }
            let length = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer -> Int32 in
                guard let start = buffer.baseAddress else { return 0 }
                let length = vsnprintf(start, buffer.count, format, arguments)
                Unmanaged<Lines>.fromOpaque(lines).takeUnretainedValue().text += String(cString: start)
                return length
            }
            return length
        }
        return key
    }()

    /// Runs `body` and returns its result with the warnings that libbpf gave meanwhile, one per line.
    static func capture<Result>(_ body: () throws -> Result) rethrows -> (result: Result, said: String) {
        let lines = Lines()
        // `lines` lives until the end of this function and the key is taken back before it.
        let outer = pthread_getspecific(threadKey)
        pthread_setspecific(threadKey, Unmanaged.passUnretained(lines).toOpaque())
        defer { pthread_setspecific(threadKey, outer) }
        let result = try body()
        return (result, withExtendedLifetime(lines) { lines.text })
    }
}
