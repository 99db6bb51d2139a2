// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaAPI
import MallaKernel
import MallaModel

/// Sockets of workloads that go past the hooks.
extension Node {
    /// Looks for them, tells of new ones, and cuts what policy does not allow.
    @discardableResult
    func lookForBypasses() -> [Bypass] {
        do {
            let report = try kernel.findBypasses()
            for bypass in Set(report.bypasses).subtracting(bypasses) {
                let view = BypassView(bypass, names)
                logger.warning(
                    "a workload has a socket that goes past the hooks",
                    metadata: [
                        "workload": "\(view.workload)", "pid": "\(view.pid)", "command": "\(view.command)",
                        "descriptor": "\(view.descriptor)", "kind": "\(view.kind)", "socket": "\(view.socket)",
                        "remote": "\(view.remote)",
                    ])
            }
            bypasses = Set(report.bypasses)
            if !report.cuts.isEmpty { tell(report.cuts) }
            return report.bypasses
        } catch {
            logger.error("bypasses could not be looked for", metadata: ["error": "\(error)"])
            return []
        }
    }

    func bypassViews() -> [BypassView] {
        lookForBypasses().map { BypassView($0, names) }.sorted {
            ($0.workload, $0.pid, $0.descriptor) < ($1.workload, $1.pid, $1.descriptor)
        }
    }
}

extension BypassView {
    /// A bypass as the kernel told it, in names.
    init(_ bypass: Bypass, _ names: Names) {
        self.init(
            workload: names.workload(bypass.workload), identity: names.identity(bypass.identity),
            kind: bypass.kind?.name ?? "unknown", socket: bypass.socketName, pid: bypass.pid, command: bypass.command,
            descriptor: bypass.descriptor, local: bypass.local.port == 0 ? "" : bypass.local.description,
            remote: bypass.remote.port == 0 ? "" : bypass.remote.description, cookie: bypass.cookie)
    }
}
