// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla version`
struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the version of this command and of the daemon.",
        discussion: """
            EXAMPLES:
              malla version
              malla version -o json
            """)

    /// Both sides' versions.
    struct View: Encodable {
        /// Of this command.
        var malla: String
        /// Of the daemon; `nil`: none answers.
        var mallad: String?
        /// Of maps and programs, as the daemon says.
        var abi: Int?
    }

    /// Of this source tree.
    static let current = "0.1.0"

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        var client = admin.client
        client.patience = .seconds(2)
        let status: StatusView?
        do {
            status = try client.get(AdminPath.status, as: StatusView.self)
        } catch let failure as Failure where failure.status == .unreachable {
            status = nil
        }
        try output.print(View(malla: Self.current, mallad: status?.version, abi: status?.abi)) { _ in
            let daemon = status.map { "\($0.version) (ABI \($0.abi))" } ?? "no daemon answers on \(admin.socket)"
            return "malla    \(Self.current)\nmallad   \(Table.printable(daemon))\n"
        }
    }
}
