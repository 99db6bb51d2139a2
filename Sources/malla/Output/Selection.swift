// SPDX-License-Identifier: Apache-2.0

/// Picks by name from what the daemon listed.
enum Selection {
    /// The items with these names (`name` or `name.namespace`); all where no name is given. A name that fits nothing
    /// is a failure.
    static func pick<Item: Listed>(_ items: [Item], named names: [String], noun: String) throws -> [Item] {
        guard !names.isEmpty else { return items }
        return try names.flatMap { name in
            let found = items.filter { fits($0.objectName, name) }
            guard found.isEmpty else { return found }
            let known = items.map(\.objectName)
            let bare = name.contains(".") ? known : known.map { String($0.prefix { $0 != "." }) }
            throw Failure(
                "there is no \(noun) '\(Table.printable(name))'",
                hint: Suggestion.hint(for: name, among: bare, otherwise: "list them with `malla \(plural(noun))`"))
        }
    }

    /// Whether `backend.default` is meant by `backend` or `backend.default`.
    static func fits(_ objectName: String, _ name: String) -> Bool {
        objectName == name || objectName.hasPrefix(name + ".")
    }

    private static func plural(_ noun: String) -> String {
        noun == "policy" ? "policies" : noun == "map" ? "maps list" : noun + "s"
    }
}
