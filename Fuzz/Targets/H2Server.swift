// SPDX-License-Identifier: Apache-2.0

/// Frames from a hostile client behind a valid preface: cut or whole, the same happens; and each complete request is
/// one request with the same content to the strict origin.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzH2Server(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 1 else { return 0 }
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    let bytes = RawH2.hello + input[1...]
    var whole = H2End(.server, limits: smallLimits)
    whole.hear(bytes)
    var cut = H2End(.server, limits: smallLimits)
    var rest = bytes[...]
    while !rest.isEmpty {
        let size = max(1, Int(input[0]))
        cut.hear(rest.prefix(size))
        rest = rest.dropFirst(size)
    }
    precondition(whole.log == cut.log, "events differ by cutting")
    precondition(whole.content == cut.content, "content differs by cutting")
    for (id, message) in whole.forwarded {
        do {
            let requests = try StrictReader.requests(message)
            precondition(requests.count == 1, "\(requests.count) requests from one stream")
            precondition(requests[0].body == whole.content[id] ?? [] || requests[0].method == "CONNECT")
        } catch {
            if message.starts(with: Array("CONNECT ".utf8)) { continue }
            if message.contains(subsequence: Array("connection: upgrade".utf8)) { continue }
            fatalError("unsafe: \(error): \(String(decoding: message, as: UTF8.self))")
        }
    }
    return 0
}

/// Memory for each run stays small, so that runs are many.
private var smallLimits: WireLimits {
    var limits = WireLimits()
    limits.head = 8 << 10
    return limits
}

extension Array where Element == UInt8 {
    fileprivate func contains(subsequence: [UInt8]) -> Bool {
        guard count >= subsequence.count else { return false }
        return (0...(count - subsequence.count)).contains { self[$0...].starts(with: subsequence) }
    }
}
