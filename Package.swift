// swift-tools-version: 6.2
import PackageDescription

// The targets stand in the order of a connection's path. What each may import is the table in
// ARCHITECTURE.md; `PackageTests` holds this file to it.

let package = Package(
    name: "malla",
    products: [
        .executable(name: "mallad", targets: ["mallad"]),
        .executable(name: "malla-proxy", targets: ["malla-proxy"]),
        .executable(name: "malla", targets: ["malla"]),
        .library(name: "BPFKit", targets: ["BPFKit"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/apple/swift-asn1.git", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-certificates.git", from: "1.21.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    ],
    targets: [
        // MARK: What the kernel and Swift share

        .systemLibrary(name: "CLibBPF", pkgConfig: "libbpf", providers: [.apt(["libbpf-dev"])]),
        .target(name: "CMallaABI", path: "bpf/include", publicHeadersPath: "."),
        .target(name: "CLinux"),
        .target(name: "COpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .executableTarget(name: "embed", path: "Tools/embed"),
        .plugin(name: "CompileBPF", capability: .buildTool(), dependencies: ["embed"]),

        // MARK: The kernel side

        .target(name: "BPFKit", dependencies: ["CLibBPF"]),
        .target(name: "BPFObjects", exclude: ["Programs"], plugins: ["CompileBPF"]),

        // MARK: Values, and the rooms that decide

        .target(name: "MallaModel", dependencies: ["CMallaABI"]),
        .target(
            name: "MallaResources",
            dependencies: ["HTTPWire", "MallaModel", "MallaRouting", .product(name: "Yams", package: "Yams")]),
        .target(name: "MallaPolicy", dependencies: ["MallaModel"]),
        .target(name: "MallaBalance", dependencies: ["MallaModel"]),
        .target(name: "MallaKernel", dependencies: ["MallaModel", "BPFKit", "BPFObjects", "CLinux", "CMallaABI"]),

        // MARK: The data path

        .target(name: "HTTPWire"),
        .target(name: "TLSWire", dependencies: ["COpenSSL"]),
        .target(name: "MallaRouting", dependencies: ["HTTPWire", "MallaModel"]),
        .target(name: "Reactor", dependencies: ["CLinux"]),
        .target(name: "MallaLink", dependencies: ["MallaModel"]),
        .target(name: "MallaTelemetry", dependencies: ["MallaModel"]),
        .target(
            name: "MallaProxy",
            dependencies: [
                "Reactor", "HTTPWire", "CMallaABI", "MallaModel", "MallaPolicy", "MallaBalance", "MallaLink",
                "MallaRouting", "MallaTelemetry", "TLSWire",
            ]),

        // MARK: Control

        .target(
            name: "MallaIdentity",
            dependencies: [
                "MallaModel",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "X509", package: "swift-certificates"),
            ]),
        .target(
            name: "MallaIssuance",
            dependencies: [
                "CLinux", "MallaIdentity", "MallaModel", "MallaSources",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        .target(name: "MallaAPI", dependencies: ["MallaModel"]),
        .target(
            name: "MallaSources",
            dependencies: ["MallaModel", "MallaResources", "CLinux"]),
        .target(
            name: "MallaDNS",
            dependencies: [
                "MallaModel",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        .target(
            name: "MallaAdmin",
            dependencies: [
                "MallaAPI", "MallaModel", "MallaTelemetry",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),

        // MARK: Programs

        .executableTarget(
            name: "mallad",
            dependencies: [
                "MallaAPI", "MallaAdmin", "MallaDNS", "MallaIdentity", "MallaIssuance", "MallaKernel", "MallaLink",
                "MallaModel", "MallaPolicy", "MallaResources",
                "MallaSources", "MallaTelemetry", "BPFKit", "CLinux", "CMallaABI",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]),
        .executableTarget(
            name: "malla-proxy",
            dependencies: ["MallaProxy", "MallaLink", "MallaModel", "Reactor", "CLinux"]),
        .executableTarget(
            name: "malla",
            dependencies: [
                "MallaAPI", "MallaKernel", "MallaModel", "MallaPolicy", "MallaResources", "MallaSources", "BPFKit",
                "CLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Yams", package: "Yams"),
            ]),

        // MARK: Tests

        .testTarget(name: "CLinuxTests", dependencies: ["CLinux"]),
        .testTarget(name: "ReactorTests", dependencies: ["Reactor", "CLinux"]),
        .testTarget(name: "MallaRoutingTests", dependencies: ["MallaRouting", "HTTPWire", "MallaModel"]),
        .testTarget(name: "MallaLinkTests", dependencies: ["MallaLink", "MallaModel"]),
        .testTarget(name: "MallaBalanceTests", dependencies: ["MallaBalance", "MallaModel"]),
        .testTarget(
            name: "MallaProxyTests",
            dependencies: [
                "MallaProxy", "malla-proxy", "HTTPVectors", "HTTPWire", "MallaLink", "MallaModel", "Reactor", "CLinux",
                "CMallaABI", "BPFKit", "BPFObjects", "BPFTestObjects",
            ]),
        .target(
            name: "BPFTestObjects", dependencies: ["BPFObjects"], path: "Tests/BPFTestObjects", exclude: ["Programs"],
            plugins: ["CompileBPF"]),
        .testTarget(name: "MallaModelTests", dependencies: ["MallaModel"]),
        .testTarget(name: "MallaPolicyTests", dependencies: ["MallaModel", "MallaPolicy"]),
        .testTarget(name: "MallaResourcesTests", dependencies: ["MallaModel", "MallaPolicy", "MallaResources"]),
        .testTarget(
            name: "TLSWireTests", dependencies: ["TLSWire", "COpenSSL", "CMallaABI", "CLinux", "MallaProxy", "Reactor"]),
        .testTarget(
            name: "MallaIdentityTests", dependencies: ["MallaIdentity", "MallaModel", "TLSWire", "COpenSSL"]),
        .testTarget(
            name: "MallaIssuanceTests",
            dependencies: [
                "MallaIdentity", "MallaIssuance", "MallaModel",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .target(name: "HTTPVectors", dependencies: ["HTTPWire"], path: "Tests/HTTPVectors"),
        .testTarget(name: "HTTPWireTests", dependencies: ["HTTPWire", "HTTPVectors"]),
        .testTarget(name: "BPFObjectsTests", dependencies: ["BPFObjects", "BPFTestObjects"]),
        .executableTarget(name: "kernel-peer", path: "Tests/KernelPeer"),
        .testTarget(
            name: "KernelTests",
            dependencies: ["BPFKit", "BPFObjects", "CMallaABI", "MallaModel", "MallaPolicy", "kernel-peer"]),
        .testTarget(name: "BPFKitTests", dependencies: ["BPFKit", "BPFObjects", "BPFTestObjects"]),
        .testTarget(
            name: "MallaKernelTests",
            dependencies: [
                "MallaKernel", "MallaModel", "MallaPolicy", "BPFKit", "BPFObjects", "BPFTestObjects", "CMallaABI",
            ]),

        .testTarget(name: "PackageTests"),
        .executableTarget(name: "reference", dependencies: ["MallaModel", "MallaTelemetry"], path: "Tools/reference"),
        .testTarget(
            name: "CLITests",
            dependencies: ["BPFKit", "MallaAPI", "MallaKernel", "MallaModel", "malla", "reference"],
            exclude: ["Golden"]),

        // MARK: Benchmarks

        .executableTarget(
            name: "bench-scale", dependencies: ["CLinux", "MallaKernel", "MallaModel", "MallaPolicy"],
            path: "Benchmarks/scale"),

        .executableTarget(name: "bench-tls", dependencies: ["TLSWire"], path: "Benchmarks/tls"),
        .executableTarget(
            name: "bench-wire", dependencies: ["HTTPWire", "MallaModel", "MallaRouting"], path: "Benchmarks/wire"),

        // MARK: Tests of whole nodes

        .executableTarget(name: "lab-peer", path: "Tests/LabPeer"),
        .testTarget(
            name: "NodeTests",
            dependencies: [
                "BPFObjects", "BPFTestObjects", "MallaAPI", "MallaKernel", "mallad", "malla-proxy", "malla", "lab-peer",
            ]),
        .testTarget(name: "MallaTelemetryTests", dependencies: ["MallaTelemetry"]),
        .testTarget(
            name: "MallaDNSTests",
            dependencies: [
                "MallaDNS", "MallaModel",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .testTarget(name: "MallaSourcesTests", dependencies: ["MallaSources", "MallaModel"]),
        .testTarget(
            name: "MallaAdminTests",
            dependencies: [
                "MallaAPI", "MallaAdmin", "MallaModel", "MallaTelemetry",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17
)

// CI sets it. Not the default: a newer compiler's new warning must not stop somebody's build.
let warnings: [SwiftSetting] = Context.environment["MALLA_WARNINGS"] == "error" ? [.treatAllWarnings(as: .error)] : []

for target in package.targets where target.type == .regular || target.type == .executable || target.type == .test {
    target.swiftSettings =
        (target.swiftSettings ?? []) + [
            .enableUpcomingFeature("ExistentialAny"),
            .enableUpcomingFeature("MemberImportVisibility"),
            .enableUpcomingFeature("InternalImportsByDefault"),
        ] + warnings
}
