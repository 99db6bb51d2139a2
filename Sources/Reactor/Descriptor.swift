// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A file descriptor with one owner: closed when the owner ends.
///
/// Connections keep plain numbers in their slab slots and are closed by the code that ends them; this is for
/// what lives as long as a loop or a program.
public struct Descriptor: ~Copyable, Sendable {
    /// The number; valid as long as this value is.
    public let number: Int32

    /// Takes over an open descriptor.
    public init(owning number: Int32) { self.number = number }

    deinit { close(number) }

    /// Gives the descriptor up: the caller closes it.
    public consuming func release() -> Int32 {
        let released = number
        discard self
        return released
    }
}
