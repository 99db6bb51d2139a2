// SPDX-License-Identifier: Apache-2.0

/// Numbers as people read them.
enum Quantity {
    /// `512`, `1.5K`, `20.0M`: powers of 1024.
    static func bytes(_ count: UInt64) -> String {
        guard count >= 1024 else { return "\(count)" }
        var value = Double(count)
        var unit = ""
        for next in ["K", "M", "G", "T", "P", "E"] where value >= 1024 {
            value /= 1024
            unit = next
        }
        return tenths(value) + unit
    }

    /// `850µs`, `12.5ms`, `3.0s`, `4m10s`, `2h5m`, `3d4h`.
    static func duration(seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0 else { return "-" }
        if seconds < 0.001 { return "\(Int((seconds * 1_000_000).rounded()))µs" }
        if seconds < 1 { return tenths(seconds * 1000) + "ms" }
        if seconds < 60 { return tenths(seconds) + "s" }
        let whole = Int(min(seconds, 1e12))
        if whole < 3600 { return "\(whole / 60)m\(whole % 60)s" }
        if whole < 86400 { return "\(whole / 3600)h\(whole % 3600 / 60)m" }
        return "\(whole / 86400)d\(whole % 86400 / 3600)h"
    }

    private static func tenths(_ value: Double) -> String {
        let rounded = Int64((value * 10).rounded())
        return "\(rounded / 10).\(rounded % 10)"
    }
}
