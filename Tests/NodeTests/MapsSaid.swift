// SPDX-License-Identifier: Apache-2.0
import MallaKernel

/// What the maps of a configuration say, whatever their generation: without the numbers that
/// every change gives anew.
struct MapsSaid: Equatable {
    private static let maps = [
        "workloads", "sources", "interfaces", "local", "services", "slots", "maglev", "endpoints", "policies", "blocks",
    ]
    private var lines: [String] = []

    init(_ lab: Lab) throws {
        let reader = try KernelReader(pins: lab.pins)
        let entries = try Self.maps.reduce(into: [:]) { $0[$1] = try reader.entries(of: "malla_\($1)") }
        let generation = try reader.entries(of: "malla_generation").first { $0.key["of"] == "policies" }
        var owners: [String: String] = [:]
        for service in entries["services"] ?? [] {
            if let table = service.value["table"] { owners[table] = Self.text(service.key) }
        }
        // An endpoint that comes gets a number that nobody had; what it is of tells it.
        var places: [String: String] = [:]
        for endpoint in entries["endpoints"] ?? [] {
            guard let number = endpoint.key["number"] else { continue }
            places[number] = "\(endpoint.value["workload"] ?? "") at \(endpoint.value["at"] ?? "")"
        }
        for (map, entries) in entries {
            for entry in entries {
                var (key, value) = (entry.key, entry.value)
                if let number = key["number"] { key["number"] = places[number] }
                for field in ["endpoint", "alias"] where value[field] != nil {
                    value[field] = value[field].flatMap { places[$0] } ?? "by address only"
                }
                if let table = key["table"] { key["table"] = owners[table] ?? "nobody's" }
                if value["table"] != nil { value["table"] = "its own" }
                if let of = key["generation"] {
                    key["generation"] = of == generation?.value["generation"] ? "in force" : "another"
                }
                lines.append("\(map): \(Self.text(key)) = \(Self.text(value))")
            }
        }
        lines.sort()
    }

    /// What only one of both says.
    func differences(from other: MapsSaid) -> String {
        let mine = lines.filter { !other.lines.contains($0) }.map { "+ \($0)" }
        return (mine + other.lines.filter { !lines.contains($0) }.map { "- \($0)" }).joined(separator: "\n")
    }

    private static func text(_ fields: [String: String]) -> String {
        fields.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }
}
