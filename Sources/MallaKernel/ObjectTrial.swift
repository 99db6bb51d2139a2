// SPDX-License-Identifier: Apache-2.0
import BPFKit
import BPFObjects

/// What this kernel says to one of this build's objects: the real programs, loaded and dropped again. Nothing is
/// pinned or attached, and no node that runs here is touched.
public struct ObjectTrial: Sendable, Equatable {
    /// The object, such as `connect`.
    public let object: String
    /// Its programs.
    public let programs: Int
    /// Instructions that the verifier walked, of all of them.
    public let instructions: UInt64
    /// Why the kernel refused it; nil: it did not.
    public let refusal: String?
    /// Whether a node can do without it.
    public let isOptional: Bool

    /// Tries all objects, each with maps of its own. Takes about as long as a start of the daemon.
    public static func all() -> [ObjectTrial] { ObjectCode.all.map(ObjectTrial.init) }

    private init(_ code: ObjectCode) {
        object = code.name
        isOptional = ProgramSet.optional.contains(code.name)
        let outcome = Result { () throws -> (Int, UInt64) in
            let loaded = try OpenObject(name: code.name, code: code.bytes).load()
            let names = loaded.programs
            return try (
                names.count,
                names.reduce(0) { $0 &+ UInt64(try loaded.program($1).describe().verifiedInstructions) }
            )
        }
        switch outcome {
        case .success(let (programs, instructions)):
            (self.programs, self.instructions, refusal) = (programs, instructions, nil)
        case .failure(let error):
            (programs, instructions, refusal) = (0, 0, "\(error)")
        }
    }
}
