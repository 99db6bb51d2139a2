// SPDX-License-Identifier: Apache-2.0

/// Up to two ports.
public struct PortPair: Sendable, Equatable, BitwiseCopyable {
    /// The first one; 0: there is none.
    public private(set) var first: UInt16 = 0
    /// The second one; 0: there is none.
    public private(set) var second: UInt16 = 0

    /// These ports; `nil`: there are more than two.
    public init?(_ ports: some Sequence<UInt16>) {
        for port in ports {
            if first == 0 {
                first = port
            } else if second == 0 {
                second = port
            } else {
                return nil
            }
        }
    }
}
