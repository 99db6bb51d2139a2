// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// What addresses, cgroup paths, units, patterns and durations may look like.
extension Syntax {
    /// Where a workload can be reached.
    static func workloadAddress(_ address: Address) -> Flaw? {
        if isMulticast(address) {
            return Flaw(
                message: "\(address) is a multicast or broadcast address", hint: "A workload has one of its own")
        }
        if isAllocated(address) {
            return Flaw(
                message: "\(address) lies in the range from which services get their virtual addresses",
                hint: "Use an address that the workload listens on")
        }
        return nil
    }

    /// A virtual address given by hand.
    static func clusterIP(_ address: Address) -> Flaw? {
        if address.isLoopback || address.isUnspecified || isMulticast(address) {
            return Flaw(
                message: "\(address) cannot be a service's virtual address",
                hint: "Use an address that nothing else has, or leave the field out to get one")
        }
        if isAllocated(address) {
            return Flaw(
                message: "\(address) lies in the range from which services without an address get theirs",
                hint: "Leave the field out, or use an address outside of 240.240.0.0/16 and fd6d:616c:6c61::/96")
        }
        return nil
    }

    /// The path of a cgroup below the cgroup v2 mount, with its leading slash.
    static func cgroup(_ text: String) -> (path: String?, flaw: Flaw?) {
        if text.hasPrefix("/sys/fs/cgroup") {
            return (
                nil, Flaw(message: "the path goes through the mount", hint: "Write what follows the cgroup v2 mount")
            )
        }
        let parts = text.split(separator: "/")
        let isPath =
            !parts.isEmpty && text.utf8.count <= 4000
            && parts.allSatisfy { $0 != "." && $0 != ".." && $0.utf8.count <= 255 }
            && !text.utf8.contains { $0 < 0x20 || $0 == 0x7f }
        guard isPath else {
            let message =
                parts.isEmpty ? "the root cgroup is no workload" : "\"\(text.excerpt)\" is no path of a cgroup"
            return (nil, Flaw(message: message, hint: "Write for example /system.slice/backend.service"))
        }
        return ("/" + parts.joined(separator: "/"), nil)
    }

    /// The name of a systemd unit that has a cgroup.
    static func systemdUnit(_ text: String) -> Flaw? {
        let allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.\\@-"
        let ending = [".service", ".scope", ".slice"].first { text.hasSuffix($0) }
        let isUnit =
            ending.map { text.utf8.count > $0.utf8.count } == true && text.utf8.count <= 255
            && text.allSatisfy { allowed.contains($0) }
        return isUnit
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" is no unit with a cgroup",
                hint: "Write the full name, for example backend.service")
    }

    /// An entry of a policy's list: text, `*`, `prefix*` or `*suffix`.
    static func pattern(_ text: String) -> Flaw? {
        if text.isEmpty { return Flaw(message: "the entry is empty", hint: "Write a name, or \"*\" for any") }
        if text.utf8.count > 2048 { return Flaw(message: "the entry is longer than 2048 bytes") }
        let stars = text.utf8.count { $0 == UInt8(ascii: "*") }
        guard stars == 0 || (stars == 1 && (text.hasPrefix("*") || text.hasSuffix("*"))) else {
            return Flaw(
                message: "\"\(text.excerpt)\" has a * where it would be an ordinary character",
                hint: "One * may stand, at the beginning or at the end")
        }
        return nil
    }

    /// A length of time: up to four numbers of at most five digits, each with `h`, `m`, `s` or `ms` (Gateway API
    /// durations, GEP-2257).
    static func duration(_ text: String) -> Nanoseconds? {
        let units: [(String, Nanoseconds)] = [
            ("ms", 1_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
        ]
        var rest = text[...]
        var total: Nanoseconds = 0
        for part in 0... {
            guard !rest.isEmpty else { return part > 0 ? total : nil }
            let digits = rest.prefix { ("0"..."9").contains($0) }
            rest = rest.dropFirst(digits.count)
            guard part < 4, (1...5).contains(digits.count), let number = Nanoseconds(digits),
                let unit = units.first(where: { rest.hasPrefix($0.0) })
            else { return nil }
            rest = rest.dropFirst(unit.0.count)
            // Four times 99999 hours are below 2^64 nanoseconds.
            total += number * unit.1
        }
        return nil
    }

    private static func isMulticast(_ address: Address) -> Bool {
        address.isIPv4 ? address.ipv4Bits >> 28 == 14 || address.ipv4Bits == .max : address.high >> 56 == 0xff
    }

    private static func isAllocated(_ address: Address) -> Bool { VirtualAddresses.contains(address) }
}
