// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Glibc

/// libbpf's object, closed with its last owner.
final class ObjectHandle {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { bpf_object__close(pointer) }

    var programs: [OpaquePointer] {
        Array(
            sequence(state: OpaquePointer?.none) { [pointer] previous in
                previous = bpf_object__next_program(pointer, previous)
                return previous
            })
    }

    var maps: [OpaquePointer] {
        Array(
            sequence(state: OpaquePointer?.none) { [pointer] previous in
                previous = bpf_object__next_map(pointer, previous)
                return previous
            })
    }
}

/// The buffer that one program's verifier log goes to. It must live until the load has returned.
final class ProgramLog {
    let name: String
    private let buffer: UnsafeMutablePointer<CChar>
    private let program: OpaquePointer
    /// The kernel keeps the end of a longer log. Pages that are not written cost nothing.
    private static let size = 4 << 20

    /// Nil when the program is not to be loaded or memory ran out; then the log is lost, and nothing else.
    init?(of program: OpaquePointer) {
        guard bpf_program__autoload(program),
            let memory = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            memory != UnsafeMutableRawPointer(bitPattern: -1)
        else { return nil }
        name = String(cString: bpf_program__name(program))
        buffer = memory.bindMemory(to: CChar.self, capacity: Self.size)
        self.program = program
        bpf_program__set_log_buf(program, buffer, Self.size)
    }

    deinit {
        bpf_program__set_log_buf(program, nil, 0)
        munmap(buffer, Self.size)
    }

    var text: String { String(cString: buffer) }
}
