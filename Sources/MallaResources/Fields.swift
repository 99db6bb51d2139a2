// SPDX-License-Identifier: Apache-2.0
import Yams

/// The fields of one mapping while they are read. Whoever reads it names every field that it knows; ``finish()``
/// reports the rest.
final class Fields {
    let field: String
    let report: DocumentReport
    let position: Position
    private var entries: [String: (position: Position, value: Value)] = [:]
    private var order: [String] = []
    private var known: Set<String> = []
    private var refused: Set<String> = []

    init(_ value: Value) {
        field = value.field
        report = value.report
        position = value.position
        guard case .mapping(let mapping) = value.node, report.spend(mapping.count, field: field, at: position) else {
            return
        }
        for (key, node) in mapping {
            let place = Position(key.mark)
            guard case .scalar(let scalar) = key, !scalar.string.isEmpty || scalar.style != .plain else {
                report.add(.init(message: "a field's name must be text"), field: field, at: place)
                continue
            }
            let name = scalar.string
            let path = field.isEmpty ? name.excerpt : field + "." + name.excerpt
            if name == "<<" {
                let flaw = DocumentReport.Flaw(
                    message: "merge keys are not read", hint: "Write the fields out")
                report.add(flaw, field: path, at: place)
                known.insert(name)
            }
            guard entries[name] == nil else {
                report.add(.init(message: "the field is given twice", hint: "Remove one"), field: path, at: place)
                continue
            }
            order.append(name)
            entries[name] = (place, Value(node: node, field: path, report: report))
        }
    }

    /// The value of a field that may be missing. A field that is there and says nothing is a problem: in a selector
    /// or a list of rules it would mean more than its writer thought.
    func optional(_ name: String) -> Value? {
        guard has(name), let value = entries[name]?.value else { return nil }
        if case .null = value.content {
            value.fail("the field is empty", hint: "Give it a value, or leave it out")
            return nil
        }
        return value
    }

    /// The value of a field that must be there.
    func required(_ name: String, hint: String = "") -> Value? {
        guard has(name) else {
            let path = field.isEmpty ? name : "\(field).\(name)"
            report.add(.init(message: "the field is missing", hint: hint), field: path, at: position)
            return nil
        }
        return optional(name)
    }

    /// Whether the field is there.
    func has(_ name: String) -> Bool {
        known.insert(name)
        return entries[name] != nil
    }

    /// Fields that change nothing here, whatever they say.
    func ignore(_ names: [String]) { known.formUnion(names) }

    /// Fields whose meaning would be lost: known, and a problem.
    func refuse(_ names: [String], _ message: String, hint: String = "") {
        refused.formUnion(names)
        for name in names {
            guard let (place, value) = entries[name] else { continue }
            report.add(.init(message: message, hint: hint), field: value.field, at: place)
        }
    }

    /// All entries, in the order in which they are written.
    func all() -> [(name: String, position: Position, value: Value)] {
        order.compactMap { name in entries[name].map { (name, $0.position, $0.value) } }
    }

    /// Reports the fields that nobody asked for.
    func finish() {
        for name in order where !known.contains(name) && !refused.contains(name) {
            guard let (place, value) = entries[name] else { continue }
            let near = Spelling.nearest(to: name, among: known)
            let list = known.isEmpty ? "" : "Known here: \(known.sorted().joined(separator: ", "))"
            report.add(
                .init(message: "unknown field", hint: near.map { "Did you mean \($0)?" } ?? list), field: value.field,
                at: place)
        }
    }
}
