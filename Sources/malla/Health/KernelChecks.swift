// SPDX-License-Identifier: Apache-2.0
import MallaAPI

/// How the node's objects in the kernel are, as the daemon or the pins say.
struct KernelChecks {
    /// The node's programs.
    var programs: [ProgramView]
    /// The node's maps.
    var maps: [MapView]
    /// Events that found the buffer full; `nil`: nobody says.
    var eventsLost: UInt64?

    /// Programs, pins, maps, events.
    var findings: [Finding] { attachment + [pinned] + fill + [events].compactMap { $0 } }

    private var attachment: [Finding] {
        guard !programs.isEmpty else {
            return [.failed("programs", "no program is loaded: nothing is captured", "systemctl restart mallad")]
        }
        // Programs that are run on request, such as the one behind `malla explain`, are attached nowhere.
        let hooks = programs.filter { $0.type.hasPrefix("cgroup") || $0.type.hasPrefix("sock") }
        let loose = hooks.filter { $0.attached.isEmpty || $0.linkIDs.isEmpty }
        guard loose.isEmpty else {
            return loose.map {
                .failed("programs", "program \($0.name) is attached to no cgroup", "systemctl restart mallad")
            }
        }
        let cgroups = Set(hooks.flatMap(\.attached)).sorted()
        return [.ok("programs", "\(hooks.count) programs are attached to \(cgroups.joined(separator: ", "))")]
    }

    private var pinned: Finding {
        // `<pins>/<ABI>/maps/<name>` and `<pins>/<ABI>/links` stand side by side.
        let folder = (maps.first?.pin ?? "").split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" }
        let directory = "\(folder)/links"
        guard let cgroups = TextFile.names(in: directory) else {
            return .failed(
                "pins", "\(directory) cannot be read: the links would not outlive the daemon", "ls -l \(directory)")
        }
        let links = cgroups.reduce(0) { $0 + (TextFile.names(in: "\(directory)/\($1)") ?? []).count }
        return links == 0
            ? .failed("pins", "no link is pinned in \(directory)", "systemctl restart mallad")
            : .ok("pins", "\(links) links are pinned in \(directory): they outlive the daemon")
    }

    private var fill: [Finding] {
        let judged = maps.compactMap { map -> (map: MapView, share: Double)? in
            // An LRU map is meant to be full, and arrays always are.
            guard let entries = map.entries, map.maxEntries > 0, map.type.contains("hash"), !map.type.contains("lru")
            else { return nil }
            return (map, Double(entries) / Double(map.maxEntries))
        }
        let tight = judged.filter { $0.share >= 0.8 }
        guard tight.isEmpty else {
            return tight.map { map, share in
                let text =
                    "map \(map.name) is \(Int(share * 100)) % full: \(map.entries ?? 0) of \(map.maxEntries) entries"
                return share >= 1
                    ? .failed("map-fill", "\(text); new entries are refused", "malla maps dump \(map.name)")
                    : .warning("map-fill", text, "malla maps dump \(map.name)")
            }
        }
        let fullest = judged.max { $0.share < $1.share }
        let detail = fullest.map { "; the fullest, \($0.map.name), holds \(Int($0.share * 100)) %" } ?? ""
        return [.ok("map-fill", "maps have room\(detail)")]
    }

    private var events: Finding? {
        guard let eventsLost else { return nil }
        return eventsLost == 0
            ? .ok("events", "no event was lost")
            : .warning(
                "events", "\(eventsLost) events found the buffer full and were lost; counters are still exact",
                "watch fewer events: leave `malla events --all`, which also records what is allowed")
    }
}
