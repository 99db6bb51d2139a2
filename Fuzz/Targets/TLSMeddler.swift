// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Time for the handshakes of ``MemoryPair``.
enum Speaker {
    static var now: Int64 { Int64(time(nil)) }
}

/// What certificates.py made in the folder MALLA_FUZZ_CERTIFICATES.
private let settings: (client: TLSSettings, server: TLSSettings) = {
    func read(_ name: String) -> [UInt8] {
        let folder = getenv("MALLA_FUZZ_CERTIFICATES").map { String(cString: $0) } ?? "."
        guard let file = fopen("\(folder)/\(name)", "r") else { fatalError("\(folder)/\(name) is missing") }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        return Array(bytes[..<fread(&bytes, 1, bytes.count, file)])
    }
    do {
        let trust = try Trust(["malla.test": read("root.pem")])
        let credentials = try TLSSettings.Credentials(chain: read("good.pem"), key: read("good.key"))
        return (
            try TLSSettings(.client, credentials, trust: trust, protocols: ["h2"], engine: .records),
            try TLSSettings(.server, credentials, trust: trust, protocols: ["h2"], engine: .records)
        )
    } catch { fatalError("\(error)") }
}()

/// Bytes of a stranger: instead of a flight of the handshake, inside of one, instead of records, or among them. Nobody is let
/// in by them, and nothing comes out but what the other side said.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTLSMeddler(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 3 else { return 0 }
    let mode = start[0]
    let at = Int(start[1]) << 8 | Int(start[2])
    let input = Array(UnsafeBufferPointer(start: start + 3, count: count - 3))
    let isHandshake = mode & 1 == 0
    let toServer = mode & 2 == 0
    let isWhole = mode & 4 == 0
    let pair: MemoryPair
    do {
        pair = try MemoryPair(client: settings.client, server: settings.server) { isFromClient, flight, bytes in
            guard isHandshake, isFromClient == toServer, flight == Int(mode >> 3 & 1) else { return bytes }
            return isWhole ? input : splice(input, into: bytes, at: at)
        }
    } catch { fatalError("\(error)") }
    guard !isHandshake else {
        // A client that was let in has shown its certificate.
        if pair.server != nil, pair.clientName == nil { fatalError("somebody without a name was let in") }
        if isWhole, toServer, pair.server != nil { fatalError("a stranger was let in") }
        return 0
    }
    guard let near = toServer ? pair.client : pair.server, let far = toServer ? pair.server : pair.client else {
        fatalError("a handshake failed that nobody touched")
    }
    let content = [UInt8](repeating: mode, count: 100)
    let records = near.sealed(content) + near.sealed(content)
    var bytes = isWhole ? input : splice(input, into: records, at: at)
    var all: [UInt8] = []
    while !bytes.isEmpty {
        let (state, part, consumed) = far.opened(bytes)
        all += part
        bytes.removeFirst(consumed)
        if state != .open || consumed == 0 { break }
    }
    if isWhole, !all.isEmpty { fatalError("content came out that nobody had sealed") }
    if all != Array((content + content).prefix(all.count)) { fatalError("other content came out than went in") }
    return 0
}

/// `input` over the bytes from `at` on, or put in between.
private func splice(_ input: [UInt8], into bytes: [UInt8], at: Int) -> [UInt8] {
    guard !bytes.isEmpty else { return input }
    let place = (at >> 1) % bytes.count
    let end = at & 1 == 0 ? min(bytes.count, place + input.count) : place
    return Array(bytes[..<place]) + input + Array(bytes[end...])
}
