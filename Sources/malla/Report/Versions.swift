// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Glibc
import MallaKernel

/// What runs here, in lines.
enum Versions {
    /// Of this command, its ABI, the kernel and libbpf.
    static var text: String {
        var names = utsname()
        uname(&names)
        func field<Characters>(_ characters: Characters) -> String {
            withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        return """
            malla    \(Version.current)
            abi      \(PinnedState.ownABI)
            kernel   \(field(names.release)) \(field(names.version)) \(field(names.machine))
            libbpf   \(LibbpfVersion.major).\(LibbpfVersion.minor)

            """
    }
}
