// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What went wrong between this process and the kernel: which call, on what, why, and what to try next.
public struct BPFError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure; more may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case notPermitted, notFound, exists, full, unsupported, layout, refused, object, system
        }
        private let kind: Kind

        /// The process lacks a capability (EPERM, EACCES).
        public static let notPermitted = Code(kind: .notPermitted)
        /// No such file, entry, program or map (ENOENT).
        public static let notFound = Code(kind: .notFound)
        /// It is there already (EEXIST).
        public static let exists = Code(kind: .exists)
        /// A map has no room left, or memory ran out (E2BIG, ENOSPC, ENOMEM).
        public static let full = Code(kind: .full)
        /// This kernel does not know the operation (EOPNOTSUPP, ENOTSUPP, ENOSYS).
        public static let unsupported = Code(kind: .unsupported)
        /// Sizes or types of the two sides differ.
        public static let layout = Code(kind: .layout)
        /// The verifier refused a program; ``BPFError/verifierLog`` says why.
        public static let refused = Code(kind: .refused)
        /// The object file is not what it should be.
        public static let object = Code(kind: .object)
        /// Any other errno.
        public static let system = Code(kind: .system)

        /// The code's name.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What was tried: `load`, `attach`, `update`.
    public let operation: String
    /// What it was tried on: a map, program or path.
    public let object: String
    /// The kernel's error number; 0 when the failure was found before asking the kernel.
    public let errno: Int32
    /// What happened, in words.
    public let message: String
    /// What to do about it, when that is known.
    public let hint: String?
    /// The verifier's whole log, when the verifier refused a program. ``message`` has its useful last lines.
    public let verifierLog: String?

    /// An error found on this side of the system call.
    public init(
        _ code: Code, operation: String, object: String, errno: Int32 = 0, message: String, hint: String? = nil,
        verifierLog: String? = nil
    ) {
        self.code = code
        self.operation = operation
        self.object = object
        self.errno = errno
        self.message = message
        self.hint = hint
        self.verifierLog = verifierLog
    }

    /// An error that the kernel answered with.
    ///
    /// - Parameters:
    ///   - errno: positive.
    ///   - detail: what libbpf said besides; its empty lines are dropped.
    public init(operation: String, object: String, errno: Int32, detail: String = "") {
        let code = Code(errno: errno)
        let said = detail.split(separator: "\n", omittingEmptySubsequences: true).joined(separator: "; ")
        self.init(
            code, operation: operation, object: object, errno: errno,
            message: said.isEmpty ? Self.text(of: errno) : "\(Self.text(of: errno)) (\(said))",
            hint: code == .notPermitted ? "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON" : nil)
    }

    /// Whether the thing itself is no longer there: a cgroup, an interface, a link that has been detached.
    public var isGone: Bool { errno == ENODEV || errno == ENOENT || errno == Glibc.ENOLINK }

    /// One line: operation, object, message, errno and hint.
    public var description: String {
        "cannot \(operation) \(object): \(message)" + (hint.map { "; \($0)" } ?? "")
    }

    private static func text(of errno: Int32) -> String {
        // libbpf's own codes, and ENOTSUPP, which the C library does not know.
        if errno == Code.kernelNotSupported { return "not supported by this kernel (ENOTSUPP)" }
        var buffer = [CChar](repeating: 0, count: 128)
        strerror_r(errno, &buffer, buffer.count)
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text.isEmpty ? "error \(errno)" : text
    }
}

extension BPFError.Code {
    /// The kernel's internal ENOTSUPP, which leaks out of the bpf system call.
    static let kernelNotSupported: Int32 = 524

    init(errno: Int32) {
        switch errno {
        case EPERM, EACCES: self = .notPermitted
        case ENOENT: self = .notFound
        case EEXIST: self = .exists
        case E2BIG, ENOSPC, ENOMEM: self = .full
        case EOPNOTSUPP, ENOSYS, Self.kernelNotSupported: self = .unsupported
        default: self = .system
        }
    }
}

/// Hands a non-negative result through and throws for a negative one, as libbpf 1.x returns them.
@discardableResult
func checked(_ result: Int32, _ operation: String, _ object: @autoclosure () -> String) throws -> Int32 {
    guard result < 0 else { return result }
    throw BPFError(operation: operation, object: object(), errno: -result)
}
