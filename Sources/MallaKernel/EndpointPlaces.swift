// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// The endpoints of a snapshot by their numbers.
struct EndpointPlaces {
    private let endpoints: [Snapshot.Endpoint]
    /// By number, where numbers are dense, as they are unless a great many endpoints have come and gone; -1: none.
    private var dense: [Int32] = []
    private var scattered: [UInt32: Int32] = [:]

    /// `nil`: two have one number.
    init?(_ endpoints: [Snapshot.Endpoint]) {
        self.endpoints = endpoints
        let most = Int(endpoints.lazy.map(\.number).max() ?? 0)
        let isDense = most <= 8 * endpoints.count + 65536
        if isDense { dense = Array(repeating: -1, count: most + 1) }
        for (place, endpoint) in endpoints.enumerated() {
            let place = Int32(truncatingIfNeeded: place)
            if isDense {
                guard dense[Int(endpoint.number)] < 0 else { return nil }
                dense[Int(endpoint.number)] = place
            } else if scattered.updateValue(place, forKey: endpoint.number) != nil {
                return nil
            }
        }
    }

    /// The endpoint of a number; `nil`: there is none.
    subscript(number: UInt32) -> Snapshot.Endpoint? {
        let place = Int(number) < dense.count ? dense[Int(number)] : scattered[number] ?? -1
        return place < 0 ? nil : endpoints[Int(place)]
    }
}
