// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc

/// `malla bugreport`
struct Bugreport: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Gather what somebody needs who is to find out what is wrong, in one archive.",
        discussion: """
            Holds what `malla doctor` says, status, workloads, services, endpoints, policies, live connections, the \
            last events, maps with their entries, programs, versions, the resource files and the daemon's log; \
            README.txt in it lists all of it and what could not be had. Secrets in resources and log are removed. \
            The archive is readable by its owner only, and nothing is sent anywhere.

            EXAMPLES:
              sudo malla bugreport
              sudo malla bugreport --file /tmp/report.tar.gz --config /etc/malla/mesh.d
              tar -xzOf malla-bugreport-*.tar.gz --wildcards '*/README.txt'
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var pins: PinOptions

    @Option(
        help: ArgumentHelp(
            "Where the archive goes; a file that is there stays. (default: malla-bugreport-TIME.tar.gz here)",
            valueName: "file"), completion: .file())
    var file: String?

    @Option(help: ArgumentHelp("What mallad was given as --config.", valueName: "directory"), completion: .directory)
    var config = "/etc/malla/mesh.d"

    @Option(help: ArgumentHelp("How many lines of the daemon's log.", valueName: "count"))
    var logLines = 2000

    func validate() throws {
        guard logLines >= 0 else { throw ValidationError("--log-lines \(logLines) is no number of lines") }
    }

    func run() throws {
        var now = Glibc.time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        var buffer = [CChar](repeating: 0, count: 32)
        strftime(&buffer, buffer.count, "%Y%m%dT%H%M%SZ", &parts)
        let time = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)

        let folder = "malla-bugreport-\(time)"
        var report = BugReport(
            admin: admin, pins: pins, config: config, logLines: logLines, folder: folder, time: now)
        report.gather()
        let wanted = file ?? "\(folder).tar.gz"
        let path = try Self.write(report.archive.closed, to: wanted)
        for part in report.missing { Console.complain("left out: \(Table.printable(part))") }
        try Console.write("wrote \(report.contents.count) files to \(path)\n")
        Console.complain("names and addresses are in it: read it before you give it to others")
    }

    /// Writes a new file that only its owner may read, and compresses it where `gzip` is there and the name asks for it.
    ///
    /// - Returns: the file's path: without `.gz` when it could not be compressed.
    private static func write(_ bytes: [UInt8], to wanted: String) throws -> String {
        let isCompressed = wanted.hasSuffix(".gz")
        let plain = isCompressed ? String(wanted.dropLast(3)) : wanted
        guard !isCompressed || access(wanted, F_OK) != 0 else { throw Failure.system("cannot write \(wanted)", EEXIST) }
        let descriptor = open(plain, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw Failure.system("cannot write \(plain)", errno, hint: "name another file with --file")
        }
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + sent }, $0.count - sent)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let code = errno
                close(descriptor)
                unlink(plain)
                throw Failure.system("cannot write \(plain)", code)
            }
            sent += count
        }
        guard close(descriptor) == 0 else { throw Failure.system("cannot write \(plain)", errno) }
        // It keeps the owner and the mode.
        guard isCompressed, ShellOutput.of(["gzip", "--no-name", plain]) != nil else { return plain }
        return wanted
    }
}
