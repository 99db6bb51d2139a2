// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A user of this machine that the process can become.
struct Account {
    private let name: String
    private let uid: uid_t
    private let gid: gid_t
    private let home: String
    private let shell: String

    /// Looks the user up in the system's user database.
    init(named name: String) throws {
        errno = 0
        guard let entry = getpwnam(name) else {
            throw Failure(
                "there is no user '\(Table.printable(name))' on this machine", hint: "list users with: getent passwd")
        }
        self.name = name
        uid = entry.pointee.pw_uid
        gid = entry.pointee.pw_gid
        home = String(cString: entry.pointee.pw_dir)
        shell = String(cString: entry.pointee.pw_shell)
        guard geteuid() == 0 || geteuid() == uid else {
            throw Failure("only root may become another user", hint: "run the same command as root, with sudo")
        }
    }

    /// Becomes the user for good, with its groups and the environment that a login would set.
    func become() throws {
        if geteuid() == 0 {
            guard initgroups(name, gid) == 0 else { throw Failure.system("cannot take \(name)'s groups", errno) }
            guard setgid(gid) == 0 else { throw Failure.system("cannot take \(name)'s group", errno) }
            guard setuid(uid) == 0 else { throw Failure.system("cannot become \(name)", errno) }
        }
        for (variable, value) in [("HOME", home), ("USER", name), ("LOGNAME", name), ("SHELL", shell)] {
            setenv(variable, value, 1)
        }
    }
}
