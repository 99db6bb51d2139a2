// SPDX-License-Identifier: Apache-2.0
import CLibBPF

extension KernelFeature {
    /// `cgroup/connect4`: decide and rewrite connects.
    public static let connectHook = KernelFeature(
        "connect hooks of cgroups", since: "4.17", hook(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT))
    /// `cgroup/bind4`: keep the mesh's ports.
    public static let bindHook = KernelFeature(
        "bind hooks of cgroups", since: "4.17", hook(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_BIND))
    /// `cgroup/sendmsg4`: decide and rewrite datagrams.
    public static let datagramHook = KernelFeature(
        "sendmsg hooks of cgroups", since: "4.18", hook(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP4_SENDMSG))
    /// `cgroup/recvmsg4`: answer from the original address.
    public static let answerHook = KernelFeature(
        "recvmsg hooks of cgroups", since: "5.2", hook(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP4_RECVMSG))
    /// `cgroup/getpeername4`: answer with the original address.
    public static let peerNameHook = KernelFeature(
        "getpeername hooks of cgroups", since: "5.8",
        hook(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETPEERNAME))
    /// `cgroup/sock_create`: refuse kinds of sockets.
    public static let socketHook = KernelFeature(
        "socket hooks of cgroups", since: "4.10", hook(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE))
    /// `bpf_set_retval`: choose the errno of a refusal.
    public static let chosenErrno = KernelFeature(
        "bpf_set_retval in connect hooks", since: "5.18",
        .program(
            type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR.rawValue, attachType: BPF_CGROUP_INET4_CONNECT.rawValue,
            helper: Int32(BPF_FUNC_get_retval.rawValue)))
    /// `sockops`: see connections come and go.
    public static let sockOps = KernelFeature(
        "sockops", since: "4.13", hook(BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS))
    /// `SEC("syscall")`: run a program on demand.
    public static let syscallPrograms = KernelFeature(
        "programs run on request", since: "5.14", .program(type: BPF_PROG_TYPE_SYSCALL.rawValue, attachType: 0))
    /// A ring buffer for events.
    public static let ringBuffer = KernelFeature(
        "ring buffers", since: "5.8",
        .map(type: BPF_MAP_TYPE_RINGBUF.rawValue, keySize: 0, valueSize: 0, entries: 65536))
    /// A hash with one value per CPU.
    public static let perCPUHash = KernelFeature(
        "per-CPU hashes", since: "4.6",
        .map(type: BPF_MAP_TYPE_PERCPU_HASH.rawValue, keySize: 4, valueSize: 8, entries: 1))
    /// A hash that forgets what was used longest ago.
    public static let lruHash = KernelFeature(
        "LRU hashes", since: "4.10", .map(type: BPF_MAP_TYPE_LRU_HASH.rawValue, keySize: 4, valueSize: 8, entries: 16))
    /// Records that live with their sockets.
    public static let socketStorage = KernelFeature("storage in sockets", since: "5.2", .socketStorage)
    /// A map of sockets, for listeners.
    public static let socketMap = KernelFeature(
        "maps of sockets", since: "4.14",
        .map(type: BPF_MAP_TYPE_SOCKMAP.rawValue, keySize: 4, valueSize: 8, entries: 1))
    /// `iter/bpf_sk_storage_map`: walk the records of live connections.
    public static let storageIterator = KernelFeature(
        "iterators over socket storage", since: "5.10", .iterator("bpf_sk_storage_map"))
    /// `iter/tcp`: walk TCP sockets.
    public static let tcpIterator = KernelFeature("iterators over TCP sockets", since: "5.9", .iterator("tcp"))
    /// `iter/udp`: walk UDP sockets.
    public static let udpIterator = KernelFeature("iterators over UDP sockets", since: "5.9", .iterator("udp"))
    /// `iter/task_file`: walk the open files of processes.
    public static let fileIterator = KernelFeature("iterators over open files", since: "5.8", .iterator("task_file"))
    /// `bpf_sock_destroy`: end a connection.
    public static let socketDestroy = KernelFeature(
        "bpf_sock_destroy", since: "6.5", .socketFunction("bpf_sock_destroy"))
    /// `sk_lookup`: judge what comes in.
    public static let socketLookup = KernelFeature(
        "sk_lookup programs", since: "5.9", hook(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP))
    /// tcx links: programs at interfaces.
    public static let interfacePrograms = KernelFeature("tcx links on interfaces", since: "6.6", .interfaceLink)

    private static func hook(_ type: bpf_prog_type, _ attachType: bpf_attach_type) -> Trial {
        .program(type: type.rawValue, attachType: attachType.rawValue)
    }
}
