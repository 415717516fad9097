package admission

import "time"

// Order is the order in which the requests of one source are served.
type Order string

// The orders. docs/explanation/storms.md has the measurement behind the default.
const (
	OldestFirst Order = "oldest_first"
	NewestFirst Order = "newest_first"
	// Adaptive is OldestFirst, and NewestFirst under overload: the client of the
	// newest request waits longest before it gives up.
	Adaptive Order = "adaptive"
)

// Orders lists the orders.
func Orders() []Order { return []Order{Adaptive, OldestFirst, NewestFirst} }

// Config configures a Queue. All fields but Delay are required.
type Config[T any] struct {
	Limit    int           // requests that may wait
	Patience time.Duration // how long a client waits, from its connect until its answer has been processed
	Order    Order
	Delay    func() time.Duration // the longest, from sending an answer until the server has processed it; nil: none

	// Open finds the source of a request that has arrived. If it returns false, the
	// request is refused. It runs in Next without the lock, and concurrently if Next
	// does. It must not panic: the request would be lost.
	Open func(T) (Source, bool)
	Now  func() time.Time
}

// Source is what Open finds.
type Source struct {
	Name      string    // sources are served round robin
	Connected time.Time // by when the client had connected; zero: unknown
}
