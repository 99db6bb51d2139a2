// SPDX-License-Identifier: Apache-2.0
import MallaKernel

/// What the maps of a snapshot hold, with the slots where their services are: the numbers of tables and generations
/// are chance, and two nodes that decide alike have equal content.
struct MapContent: Equatable {
    /// By address, port and protocol.
    private(set) var services: [[String: String]: [String: String]] = [:]
    /// The slots of each service, by their index.
    private(set) var tables: [[String: String]: [[String: String]]] = [:]
    private(set) var endpoints: [[String: String]: [String: String]] = [:]
    /// Of the generation in force.
    private(set) var policies: [[String: String]: [String: String]] = [:]
    /// What something refers to that is not there.
    private(set) var missing: [String] = []
    /// Whether there is something that no decision can come to.
    private(set) var isLeftOver = false

    init(_ reader: KernelReader) throws {
        let generation = try reader.entries(of: "malla_generation").first { $0.key["of"] == "policies" }
        for entry in try reader.entries(of: "malla_policies") {
            var key = entry.key
            guard key.removeValue(forKey: "generation") == generation?.value["generation"] else {
                isLeftOver = true
                continue
            }
            policies[key] = entry.value
        }
        for entry in try reader.entries(of: "malla_endpoints") { endpoints[entry.key] = entry.value }
        let slots = Dictionary(grouping: try reader.entries(of: "malla_slots")) { $0.key["table"] ?? "" }
        var used: Set<String> = [""]
        for entry in try reader.entries(of: "malla_services") {
            var value = entry.value
            let table = value.removeValue(forKey: "table") ?? ""
            services[entry.key] = value
            guard let count = Int(value["slots"] ?? ""), count > 0 else { continue }
            used.insert(table)
            let content = (slots[table] ?? []).sorted {
                Int($0.key["index"] ?? "") ?? 0 < Int($1.key["index"] ?? "") ?? 0
            }
            if content.map({ $0.key["index"] }) != (0..<count).map(String.init) {
                missing.append("slots of \(entry.key)")
            }
            tables[entry.key] = content.map(\.value)
        }
        if slots.keys.contains(where: { !used.contains($0) }) { isLeftOver = true }
        check()
    }

    private mutating func check() {
        let numbers = Set(endpoints.keys.compactMap { $0["number"] })
        let scopes = Set(policies.keys.compactMap { $0["scope"] })
        for (service, slots) in tables {
            let named = Set(slots.flatMap { [$0["endpoint"], $0["alias"]] }.compactMap { $0 })
            if !named.isSubset(of: numbers) { missing.append("endpoints of \(service)") }
        }
        let named = Set((services.values.map { $0["scope"] } + endpoints.values.map { $0["scope"] }).compactMap { $0 })
        missing += named.subtracting(scopes).subtracting(["0"]).map { "scope \($0)" }
    }
}
