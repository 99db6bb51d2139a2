// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc

/// Which daemon a command talks to.
struct AdminOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The daemon's admin socket. (default: $MALLA_ADMIN, else \(AdminOptions.standard))",
            valueName: "socket"),
        completion: .file())
    var admin: String?

    /// Where `mallad` listens unless it is told otherwise.
    static let standard = "/run/malla/admin.sock"

    /// The socket's path: the option, else `MALLA_ADMIN`, else the standard one.
    var socket: String { admin ?? Self.withoutOption }

    /// The socket of a command line that names none.
    static var withoutOption: String {
        if let set = getenv("MALLA_ADMIN"), set.pointee != 0 { return String(cString: set) }
        return standard
    }

    /// A client of that daemon. Nothing is opened yet.
    var client: AdminClient { AdminClient(socket: socket) }
}
