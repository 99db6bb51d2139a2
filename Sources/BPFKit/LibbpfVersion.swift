// SPDX-License-Identifier: Apache-2.0
import CLibBPF

/// The libbpf that this process runs with, which may be newer than the one that it was built with.
public enum LibbpfVersion {
    /// The release before the last dot: 1 of 1.1.
    public static var major: UInt32 { libbpf_major_version() }
    /// The release after the last dot: 1 of 1.1.
    public static var minor: UInt32 { libbpf_minor_version() }
}
