// SPDX-License-Identifier: Apache-2.0
import MallaAPI

/// How a running node is: what the daemon says, judged.
struct NodeChecks {
    /// What the daemon says of the node.
    var status: StatusView
    /// Where it said so.
    var socket: String
    /// The services that it knows.
    var services: [ServiceView]

    /// The daemon and what it has put in force.
    var daemon: [Finding] {
        [answer, version, resources, generation, revocation, proxy, proxyGeneration].compactMap { $0 }
    }

    /// What is in the mesh.
    var mesh: [Finding] {
        let idle = services.flatMap { service in
            service.ports.filter { $0.ready == 0 }.map { (service: service.objectName, port: $0.port) }
        }
        guard !idle.isEmpty else { return [.ok("endpoints", "every service has a ready endpoint")] }
        return idle.map {
            .warning(
                "endpoints", "service \($0.service) has no ready endpoint behind port \($0.port)",
                "malla endpoints --service \($0.service)")
        }
    }

    private var answer: Finding {
        let origin = status.adopted ? "; it adopted what an earlier one left" : ""
        return .ok(
            "daemon", "mallad answers on \(socket), up \(Quantity.duration(seconds: status.uptimeSeconds))\(origin)")
    }

    private var version: Finding {
        status.version == Version.current
            ? .ok("version", "daemon and command line are both \(Version.current)")
            : .warning(
                "version", "the daemon is \(status.version), this command is \(Version.current)",
                "install both from one release and restart: systemctl restart mallad")
    }

    private var resources: Finding {
        guard let error = status.configError else { return .ok("resources", "the newest resources are taken") }
        return .failed(
            "resources", "the newest resources were not taken, the last good ones are in force:\n\(error)",
            "malla validate /etc/malla/mesh.d, or the daemon's --config; it tries again when a file changes")
    }

    private var generation: Finding {
        if status.generation == 0 {
            return .failed(
                "generation", "no snapshot has been applied: workloads are denied (not_ready)", "journalctl -u mallad")
        }
        guard status.ready else {
            return .failed(
                "generation", "generation \(status.generation) is not in force everywhere", "journalctl -u mallad")
        }
        return .ok("generation", "generation \(status.generation) is in force in the kernel")
    }

    private var revocation: Finding {
        guard let obstacle = status.revocationObstacle else {
            return .ok("revocation", "open connections are cut when they are no longer allowed")
        }
        return .warning(
            "revocation",
            "this kernel cannot cut open connections: what was allowed goes on until it ends: \(obstacle)",
            "use Linux 6.5 or later; until then restart workloads after a change of policy")
    }

    private var proxy: Finding {
        guard let proxy = status.proxy else {
            return .failed("proxy", "the node proxy was not started", "journalctl -u mallad")
        }
        guard proxy.state == "running" else {
            return .failed("proxy", "the node proxy is \(proxy.state)", "journalctl -u mallad")
        }
        let text = "the node proxy runs, pid \(proxy.pid), \(proxy.workers) workers"
        return proxy.restarts == 0
            ? .ok("proxy", text)
            : .warning("proxy", "\(text); it was restarted \(proxy.restarts)×", "journalctl -u mallad")
    }

    private var proxyGeneration: Finding? {
        guard let proxy = status.proxy, proxy.state == "running" else { return nil }
        return proxy.generation == status.generation
            ? .ok("proxy-generation", "the proxy serves the same generation")
            : .warning(
                "proxy-generation", "the proxy serves generation \(proxy.generation), the kernel \(status.generation)",
                "check again; if it stays so: journalctl -u mallad")
    }
}
