// SPDX-License-Identifier: Apache-2.0

/// Where something runs. Empty: not known.
public struct Locality: Hashable, Sendable {
    /// The node's name.
    public var node: String
    /// A part of the region whose parts fail by themselves.
    public var zone: String
    /// Far from other regions.
    public var region: String

    /// A place.
    public init(node: String = "", zone: String = "", region: String = "") {
        self.node = node
        self.zone = zone
        self.region = region
    }

    /// This place, with what it does not say taken from `other`, from the region down as far as they agree: whatever
    /// is in another zone is on another node.
    public func completed(by other: Locality) -> Locality {
        var place = self
        if place.region.isEmpty { place.region = other.region }
        guard place.region == other.region else { return place }
        if place.zone.isEmpty { place.zone = other.zone }
        guard place.zone == other.zone else { return place }
        if place.node.isEmpty { place.node = other.node }
        return place
    }

    /// How far away something is. The order is that in which endpoints are taken.
    public enum Distance: UInt8, Hashable, Sendable, Comparable, CaseIterable {
        /// On the same node.
        case node
        /// In the same zone of the same region.
        case zone
        /// In the same region.
        case region
        /// Anywhere.
        case any

        /// By how far.
        public static func < (a: Distance, b: Distance) -> Bool { a.rawValue < b.rawValue }
    }

    /// How far `other` is from here. What either does not know is never the same.
    public func distance(to other: Locality) -> Distance {
        func isSame(_ field: KeyPath<Locality, String>) -> Bool {
            !self[keyPath: field].isEmpty && self[keyPath: field] == other[keyPath: field]
        }
        if isSame(\.node) { return .node }
        // Zones of two regions may have one name; a zone without a region is taken by its name.
        if isSame(\.zone), region == other.region { return .zone }
        return isSame(\.region) ? .region : .any
    }
}

/// `Service.spec.trafficDistribution`: whether closer endpoints are taken first. Farther ones are taken when there
/// are none closer.
public enum TrafficDistribution: String, Hashable, Sendable {
    /// Zone, then region, then any.
    case preferSameZone = "PreferSameZone"
    /// Node, then zone, region, any.
    case preferSameNode = "PreferSameNode"

    /// The distances that count as equally near: those up to the first that has endpoints.
    public func tier(of distance: Locality.Distance) -> Locality.Distance {
        self == .preferSameZone && distance == .node ? .zone : distance
    }
}
