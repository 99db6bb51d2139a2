// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import MallaAPI
import MallaModel

/// `malla run`
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start a command as a workload of the mesh.",
        usage: "malla run [<options>] -- <command> [<arguments>]",
        discussion: """
            The daemon makes a cgroup for the workload and tells the kernel who lives in it; this process moves in \
            and becomes the command. When any of that fails, the command is not started. The workload ends with its \
            last process.

            EXAMPLES:
              malla run -- python3 -m http.server 8080
              malla run --name backend-v1 --service-account backend \\
                --label app=backend --label version=v1 --port http=7000 -- ./backend
              malla run -n shop --user www-data --address 10.0.0.5 -p 8080 -- ./web
            """)

    @OptionGroup var admin: AdminOptions

    @Option(help: "The workload's name. (default: made from the command's name)")
    var name: String?

    @Option(name: [.short, .long], help: "Its namespace.")
    var namespace = ObjectName.defaultNamespace

    @Option(help: ArgumentHelp("Who it is to others: the service account of its namespace.", valueName: "account"))
    var serviceAccount = "default"

    @Option(name: [.short, .long], help: ArgumentHelp("What selectors see; may be repeated.", valueName: "key=value"))
    var label: [Label] = []

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Where it will listen: 8080 or http=8080; may be repeated.", valueName: "[name=]port"))
    var port: [PortArgument] = []

    @Option(
        help: ArgumentHelp(
            "Where it can be reached; may be repeated. (default: 127.0.0.1)", valueName: "address"))
    var address: [String] = []

    @Option(help: "Its share among the endpoints of a service; 0 takes it out. (default: 1)")
    var weight: UInt32?

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Become this user before the command starts.", valueName: "user"))
    var user: String?

    @Argument(parsing: .postTerminator, help: "The command and its arguments, after `--`.")
    var command: [String] = []

    func validate() throws {
        guard let program = command.first, !program.isEmpty else {
            throw ValidationError("the command is missing: put it after `--`, as in: malla run --name web -- ./web")
        }
        guard name != nil || Self.name(for: program) != nil else {
            throw ValidationError("no name can be made from '\(Table.printable(program))': give one with --name")
        }
        for (option, text) in [("--name", name), ("--namespace", namespace), ("--service-account", serviceAccount)] {
            guard let text, !ObjectName.isLabel(text) else { continue }
            throw ValidationError(
                "\(option) '\(Table.printable(text))' is no Kubernetes name: 1 to 63 of a-z, 0-9 and '-', beginning and "
                    + "ending with a letter or digit")
        }
        for text in address where Address(text) == nil {
            throw ValidationError("--address '\(Table.printable(text))' is neither an IPv4 nor an IPv6 address")
        }
        let names = port.compactMap(\.name)
        guard Set(names).count == names.count else { throw ValidationError("two of the ports have one name") }
        guard Set(label.map(\.key)).count == label.count else {
            throw ValidationError("two of the labels have one key")
        }
    }

    func run() throws {
        // What can be found wrong beforehand is: the daemon hears only of a command that can start.
        let program = try Executable(searching: command[0])
        let account = try user.map(Account.init(named:))
        try InheritedSockets.refuse()

        let client = admin.client
        let request = WorkloadRequest(
            name: name ?? Self.name(for: command[0]) ?? command[0], namespace: namespace,
            serviceAccount: serviceAccount,
            labels: Dictionary(label.map { ($0.key, $0.value) }) { $1 },
            ports: port.map { WorkloadRequest.Port(name: $0.name, port: $0.port) }, addresses: address, weight: weight)
        let workload = try client.post(AdminPath.workloads, request, as: WorkloadView.self)
        do {
            guard let cgroup = workload.cgroup else {
                throw Failure("the daemon made no cgroup for workload \(request.name)", hint: "malla doctor")
            }
            try CgroupMembership.enter(cgroup, number: workload.cgroupID)
            try account?.become()
            try program.replaceProcess(arguments: command)
        } catch {
            // Best effort: what failed is more interesting than that nothing could be undone.
            try? client.delete("\(AdminPath.workloads)/\(request.namespace)/\(request.name)")
            throw error
        }
    }

    /// A Kubernetes name made from a program's: `/opt/My_App.sh` gives `my-app-sh`.
    static func name(for program: String) -> String? {
        let last = program.split(separator: "/").last.map(String.init) ?? ""
        let label = last.lowercased().utf8.map { byte -> Character in
            switch byte {
            case 0x30...0x39, 0x61...0x7a: Character(UnicodeScalar(byte))
            default: "-"
            }
        }
        let name = String(label.drop { $0 == "-" }.prefix(63).reversed().drop { $0 == "-" }.reversed())
        return ObjectName.isLabel(name) ? name : nil
    }
}

/// `key=value` on the command line.
struct Label: ExpressibleByArgument {
    /// Not empty.
    var key: String
    /// May be empty.
    var value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals > argument.startIndex else { return nil }
        key = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }
}

/// `8080` or `http=8080` on the command line.
struct PortArgument: ExpressibleByArgument {
    /// What a service's `targetPort` may name.
    var name: String?
    /// Not 0.
    var port: UInt16

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let digits = parts.last, digits.allSatisfy(\.isASCII), let port = UInt16(digits), port > 0 else {
            return nil
        }
        if parts.count == 2 {
            guard ObjectName.isLabel(String(parts[0])) else { return nil }
            name = String(parts[0])
        }
        self.port = port
    }
}
