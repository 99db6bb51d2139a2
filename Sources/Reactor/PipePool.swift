// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// A pipe between two sockets; `none` is none.
public struct Pipe: BitwiseCopyable {
    /// The end that is spliced from.
    public fileprivate(set) var output: Int32
    /// The end that is spliced into.
    public fileprivate(set) var input: Int32

    /// No pipe.
    public static var none: Pipe { Pipe(output: -1, input: -1) }
    /// Whether this is a pipe.
    @inlinable public var exists: Bool { output >= 0 }
}

/// One thread's pipes for splice: a direction borrows one while bytes are inside it and gives it back empty.
public struct PipePool: ~Copyable {
    private let limit: Int
    private let kept: Int
    private var free: [Pipe] = []
    private var count = 0
    /// Requests that are refused without asking the system, after it had no pipe of a useful size.
    private var pause = 0

    /// Wanted capacity of a pipe, and what one splice asks for at most.
    public static let capacity = 1 << 20
    /// Making a pipe only to close it takes four calls: more than copying what it was for.
    private static let longPause = 4096
    /// A pipe that cannot be made as large as this is slower than copying.
    private static let smallest = 64 << 10

    /// At most `limit` pipes at a time, of which `kept` stay open when nobody uses them.
    public init(limit: Int, kept: Int = 16) {
        self.limit = limit
        self.kept = kept
        free.reserveCapacity(kept)
    }

    deinit {
        for pipe in free {
            close(pipe.output)
            close(pipe.input)
        }
    }

    /// An empty pipe; `nil` when there are too many already or the system has none: then bytes are copied.
    public mutating func take() -> Pipe? {
        if let pipe = free.popLast() { return pipe }
        guard count < limit else { return nil }
        guard pause == 0 else {
            pause -= 1
            return nil
        }
        var ends: (Int32, Int32) = (-1, -1)
        let capacity = withUnsafeMutablePointer(to: &ends) {
            $0.withMemoryRebound(to: Int32.self, capacity: 2) { linux_pipe($0, Int32(Self.capacity)) }
        }
        guard capacity >= 0 else {
            pause = Self.longPause
            return nil
        }
        let pipe = Pipe(output: ends.0, input: ends.1)
        count += 1
        guard capacity >= Self.smallest else {
            destroy(pipe)
            pause = Self.longPause
            return nil
        }
        return pipe
    }

    /// Takes a pipe back and empties the variable that held it. A pipe with bytes inside is closed.
    public mutating func recycle(_ pipe: inout Pipe, empty: Bool) {
        guard pipe.exists else { return }
        if empty, free.count < kept { free.append(pipe) } else { destroy(pipe) }
        pipe = .none
    }

    private mutating func destroy(_ pipe: Pipe) {
        close(pipe.output)
        close(pipe.input)
        count -= 1
    }
}
