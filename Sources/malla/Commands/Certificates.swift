// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla certificates`
struct Certificates: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the identities of this node's workloads and how their certificates stand.",
        discussion: """
            STATUS: `valid`; `waiting` for the first one; `overdue`, renewal fails while the certificate still holds; \
            `expired`, other nodes cannot be reached as this identity. Keys are never shown.

            EXAMPLES:
              malla certificates
              malla certificates -o wide
              malla certificates -o json | jq -r '.[] | select(.status != "valid") | "\\(.identity) \\(.problem)"'
            """,
        aliases: ["certificate", "cert"])

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let views = try admin.client.get(AdminPath.certificates, as: [CertificateView].self)
        try output.print(views, noun: "certificates")
    }
}

extension CertificateView: Listed {
    static let columns = [
        Column("IDENTITY"), Column("STATUS"), Column("LEFT", right: true), Column("NOT AFTER"), Column("SERIAL"),
        Column("ISSUER", wide: true), Column("ROOT", wide: true), Column("PROBLEM"),
    ]

    var rows: [[Cell]] {
        let tint: Tint = status == "valid" ? .green : status == "expired" ? .red : .yellow
        return [
            [
                Cell(identity, .cyan), Cell(status, tint),
                Cell(secondsLeft.map { $0 < 0 ? "over" : Quantity.duration(seconds: Double($0)) } ?? ""),
                Cell(notAfter ?? ""), Cell(serial ?? ""), Cell(issuer ?? ""),
                Cell(root.map { "\($0.prefix(16))" } ?? ""),
                Cell(problem ?? ""),
            ]
        ]
    }

    var objectName: String { identity }
}
