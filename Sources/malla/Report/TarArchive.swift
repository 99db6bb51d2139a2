// SPDX-License-Identifier: Apache-2.0

/// A tar archive in the POSIX form (ustar): files of one folder, each readable by its owner only.
struct TarArchive {
    /// The folder that all files are in.
    let folder: String
    /// Seconds since 1970, of every file.
    let time: Int
    /// What the archive holds so far, without its end.
    private(set) var bytes: [UInt8] = []

    private static let block = 512

    /// An archive without files.
    init(folder: String, time: Int) {
        self.folder = folder
        self.time = time
    }

    /// Adds a file. The name is cut to what the form has room for: 99 bytes with the folder's.
    mutating func add(_ name: String, _ content: [UInt8]) {
        let path = Array("\(folder)/\(name)".utf8.prefix(99))
        var header = [UInt8](repeating: 0, count: Self.block)
        func put(_ field: some Collection<UInt8>, at offset: Int) {
            header.replaceSubrange(offset..<offset + field.count, with: field)
        }
        put(path, at: 0)
        put(Self.octal(0o600, digits: 7), at: 100)
        put(Self.octal(0, digits: 7), at: 108)
        put(Self.octal(0, digits: 7), at: 116)
        put(Self.octal(content.count, digits: 11), at: 124)
        put(Self.octal(max(0, time), digits: 11), at: 136)
        put(Array("ustar".utf8) + [0] + Array("00".utf8), at: 257)
        header[156] = UInt8(ascii: "0")
        // The sum counts its own field as blanks.
        put([UInt8](repeating: UInt8(ascii: " "), count: 8), at: 148)
        let sum = header.reduce(0) { $0 + Int($1) }
        put(Self.octal(sum, digits: 6) + [0, UInt8(ascii: " ")], at: 148)
        bytes += header
        bytes += content
        let rest = content.count % Self.block
        if rest > 0 { bytes += [UInt8](repeating: 0, count: Self.block - rest) }
    }

    /// The whole archive: its end is two empty blocks.
    var closed: [UInt8] { bytes + [UInt8](repeating: 0, count: 2 * Self.block) }

    /// Leading zeros; the highest digits are lost where there is no room.
    private static func octal(_ number: Int, digits: Int) -> [UInt8] {
        let text = String(number, radix: 8)
        return Array((String(repeating: "0", count: max(0, digits - text.utf8.count)) + text).utf8.suffix(digits))
    }
}
