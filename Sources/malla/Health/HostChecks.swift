// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CLinux
import Glibc

/// Whether this machine and this user can run a node.
struct HostChecks {
    /// Where the node pins, or would.
    var pins: String

    /// The oldest kernel that has all that the programs use: `bpf_set_retval` came with 5.18.
    private static let oldestKernel = (5, 18)
    /// What Debian 12 has, and what this was written for.
    private static let oldestLibrary: (UInt32, UInt32) = (1, 1)
    /// A connection through the proxy takes two descriptors.
    private static let wantedDescriptors = 16384

    /// In the order of their dependence.
    var findings: [Finding] {
        [
            kernel, library, typeFormat, compiler, cgroups, pinFileSystem, capabilities, descriptors, clock,
        ].compactMap { $0 }
    }

    private var kernel: Finding {
        var names = utsname()
        uname(&names)
        let release = withUnsafeBytes(of: names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let numbers = release.split { !$0.isNumber }.compactMap { Int($0) }
        let oldest = "\(Self.oldestKernel.0).\(Self.oldestKernel.1)"
        guard numbers.count >= 2, (numbers[0], numbers[1]) >= Self.oldestKernel else {
            return .failed(
                "kernel", "kernel \(release) is older than \(oldest)",
                "boot a newer one: apt-get install linux-image-amd64")
        }
        return .ok("kernel", "kernel \(release) is \(oldest) or newer")
    }

    private var library: Finding {
        let version = (LibbpfVersion.major, LibbpfVersion.minor)
        let text = "libbpf is \(version.0).\(version.1)"
        return version >= Self.oldestLibrary
            ? .ok("libbpf", text)
            : .failed(
                "libbpf", "\(text), and \(Self.oldestLibrary.0).\(Self.oldestLibrary.1) is needed",
                "apt-get install libbpf1")
    }

    private var typeFormat: Finding {
        access("/sys/kernel/btf/vmlinux", R_OK) == 0
            ? .ok("btf", "the kernel describes its types (BTF)")
            : .failed(
                "btf", "/sys/kernel/btf/vmlinux cannot be read: the programs could not find the kernel's fields",
                "boot a kernel that was built with CONFIG_DEBUG_INFO_BTF=y, as Debian's are")
    }

    /// `nil` in network namespaces other than the first one, which do not show this setting.
    private var compiler: Finding? {
        let setting = "/proc/sys/net/core/bpf_jit_enable"
        guard access(setting, F_OK) == 0 else { return nil }
        guard let text = TextFile.read(setting) else {
            return .warning("jit", "whether BPF programs are compiled cannot be read by this user", "sudo malla doctor")
        }
        return text.hasPrefix("0")
            ? .warning(
                "jit", "BPF programs are interpreted: each connect costs several times more",
                "sysctl -w net.core.bpf_jit_enable=1")
            : .ok("jit", "BPF programs are compiled (JIT)")
    }

    private var cgroups: Finding {
        guard let mount = MountTable().cgroup2 else {
            return .failed(
                "cgroup2", "no cgroup v2 hierarchy is mounted",
                "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified")
        }
        return .ok("cgroup2", "cgroup v2 is mounted on \(mount)")
    }

    private var pinFileSystem: Finding {
        MountTable().isInBPFFileSystem(pins)
            ? .ok("bpffs", "pins go to a BPF file system: \(pins)")
            : .warning(
                "bpffs", "\(pins) is not in a BPF file system; mallad mounts one when it starts",
                "mount -t bpf bpf /sys/fs/bpf")
    }

    private var capabilities: Finding {
        let line = (TextFile.read("/proc/self/status") ?? "").split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        let bits = line.flatMap { UInt64($0.dropFirst(7).drop { $0 == "\t" || $0 == " " }, radix: 16) } ?? 0
        let wanted: [(bit: UInt64, name: String)] = [(39, "CAP_BPF"), (12, "CAP_NET_ADMIN"), (38, "CAP_PERFMON")]
        let missing = wanted.filter { bits >> $0.bit & 1 == 0 }.map(\.name)
        return missing.isEmpty
            ? .ok("capabilities", "this user has CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON")
            : .failed("capabilities", "this user lacks \(missing.joined(separator: ", "))", "sudo malla doctor")
    }

    private var descriptors: Finding {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return limit.rlim_max >= Self.wantedDescriptors
            ? .ok("descriptors", "a process may open \(limit.rlim_max) files")
            : .warning(
                "descriptors",
                "a process may open \(limit.rlim_max) files: the proxy holds two for each connection",
                "ulimit -Hn 1048576 before mallad starts, or LimitNOFILE=1048576 in its unit")
    }

    private var clock: Finding {
        linux_clock_synchronised() == 0
            ? .warning(
                "clock", "the clock is not synchronised: times of events may not fit those of other nodes",
                "timedatectl set-ntp true")
            : .ok("clock", "the clock is synchronised")
    }
}
