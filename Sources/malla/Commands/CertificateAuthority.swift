// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla ca`
struct CertificateAuthority: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca",
        abstract: "See who issues certificates, let nodes join, replace the root.",
        discussion: """
            EXAMPLES:
              malla ca status
              malla ca token create --node edge-2 > token
              malla ca rotate start
            """,
        subcommands: [AuthorityStatus.self, AuthorityToken.self, AuthorityExpel.self, AuthorityRotate.self],
        defaultSubcommand: AuthorityStatus.self)
}

/// `malla ca status`
struct AuthorityStatus: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the authority, the roots that are trusted, and the nodes that have joined.",
        discussion: """
            EXAMPLES:
              malla ca status
              malla ca status -o json | jq -r '.roots[].fingerprint'
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let view = try admin.client.get(AdminPath.authority, as: AuthorityView.self)
        try output.print(view) { view.text($0) }
    }
}

/// `malla ca expel`
struct AuthorityExpel: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "expel",
        abstract: "Give a node no more certificates, whatever it shows. A new token lets it in again.",
        discussion: """
            What it has got for its workloads holds until it ends. Take the node's workloads out of the resources, too.

            EXAMPLES:
              malla ca expel edge-2
            """)

    @OptionGroup var admin: AdminOptions

    @Argument(help: "The node's name.")
    var node: String

    func run() throws {
        let plain: Set<Character> = ["-", ".", "_"]
        guard !node.isEmpty, node.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || plain.contains($0)) })
        else {
            throw Failure("'\(Table.printable(node))' is no node's name", hint: "see `malla ca status`")
        }
        try admin.client.delete("\(AdminPath.members)/\(node)")
    }
}

/// `malla ca token`
struct AuthorityToken: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Make, list and take back the tokens that let nodes join.",
        discussion: """
            EXAMPLES:
              malla ca token create --node edge-2 > token
              malla ca token list
              malla ca token revoke 3f2a90c1d4e5b607
            """,
        subcommands: [TokenCreate.self, TokenList.self, TokenRevoke.self], defaultSubcommand: TokenList.self)
}

/// `malla ca token create`
struct TokenCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a token that lets one node join once. It is shown this once.",
        discussion: """
            Bring it to the node in a file of mode 600, and start its mallad with --ca ADDRESS:15012, --ca-root and
            --ca-token FILE. The file is not needed once the node has joined.

            EXAMPLES:
              malla ca token create --node edge-2 > token
              malla ca token create --node edge-2 --seconds 86400 -o json
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    @Option(help: ArgumentHelp("The node that is to join: its mallad's --node.", valueName: "name"))
    var node: String

    @Option(help: ArgumentHelp("How long the token is good.", valueName: "seconds"))
    var seconds: Int64 = 3600

    func run() throws {
        let view = try admin.client.post(
            AdminPath.tokens, TokenRequest(node: node, seconds: seconds), as: TokenView.self)
        try output.print(view) { _ in (view.token ?? "") + "\n" }
    }
}

/// `malla ca token list`
struct TokenList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List tokens, without their secrets.",
        discussion: """
            EXAMPLES:
              malla ca token list
              malla ca token list -o name
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        try output.print(try admin.client.get(AdminPath.tokens, as: [TokenView].self), noun: "tokens")
    }
}

/// `malla ca token revoke`
struct TokenRevoke: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Take a token back.",
        discussion: """
            EXAMPLES:
              malla ca token revoke 3f2a90c1d4e5b607
            """)

    @OptionGroup var admin: AdminOptions

    @Argument(help: "The token's id: see `malla ca token list`.")
    var id: String

    func run() throws {
        guard !id.isEmpty, id.allSatisfy(\.isHexDigit) else {
            throw Failure("'\(Table.printable(id))' is no token's id", hint: "see `malla ca token list`")
        }
        try admin.client.delete("\(AdminPath.tokens)/\(id)")
    }
}

extension TokenView: Listed {
    static let columns = [Column("ID"), Column("NODE"), Column("EXPIRES"), Column("USED")]

    var rows: [[Cell]] { [[Cell(id, .cyan), Cell(node), Cell(expires), Cell(used ?? "")]] }

    var objectName: String { id }
}
