// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel
import MallaRouting

/// A request, and a table of rules of which the last one takes it.
struct RouteMatcher: ~Copyable {
    private let table: RouteTable
    private let head: RequestHead
    private let fields: FieldTable
    private let request = Array(
        "GET /team/items/7 HTTP/1.1\r\nHost: backend\r\nAccept: */*\r\nX-Canary: yes\r\n\r\n".utf8)
    private let path = Array("/team/items/7".utf8)

    /// A mesh's rules: each has a path of its own and asks for a method or a header as well.
    init(rules count: Int) {
        let rules = (0..<count).map { index in
            let path = index == count - 1 ? "/team/items" : "/team-\(index)/items"
            return RouteRule(
                name: "r\(index)",
                matches: [
                    RouteMatch(path: .prefix(path), method: "GET", headers: [.init(name: "x-canary", value: "yes")])
                ],
                backends: [RouteBackend(service: ObjectName("backend"), port: 80)])
        }
        guard let table = try? RouteTable(rules) else { WireBench.fail("no table") }
        self.table = table
        let request = request
        var fields = FieldTable()
        var connection = H1ServerConnection()
        let reader = H1HeadReader(limits: WireLimits())
        let (event, _) = connection.next(request.span, closed: false, reader: reader, fields: &fields)
        guard case .head(let head) = event else { WireBench.fail("no request") }
        self.head = head
        self.fields = fields
    }

    /// Finds the rule once.
    func match() {
        let choice = table.choose(head, fields, of: request.span, path: path.span)
        WireBench.require(choice?.rule == table.rules.count - 1, "another rule")
    }
}
