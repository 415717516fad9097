package limits_test

import (
	"fmt"
	"testing"
	"time"

	"usher/app/sessions/limits"
	"usher/callout/session"
)

// BenchmarkReserve connects and disconnects a client of a project. The cost does not grow
// with the connections that the project has: many/few is near 1.
func BenchmarkReserve(b *testing.B) {
	var few time.Duration
	for _, n := range []int{100, 20_000} {
		b.Run(fmt.Sprintf("connections=%d", n), func(b *testing.B) {
			l := newBounded(limits.Config{PerUser: 1 << 20, PerProject: 1 << 20}, false)
			for i := range n {
				if err := l.connect(uint64(i), "pia", "one", "shop"); err != nil {
					b.Fatal(err)
				}
			}
			who, grant := of("pia", "one", "shop")
			id := session.ID{Server: "N", Client: 1 << 40}
			for b.Loop() {
				if err := l.Reserve(id, who, grant); err != nil {
					b.Fatal(err)
				}
				l.Release(id)
			}
			each := b.Elapsed() / time.Duration(b.N)
			if few == 0 {
				few = each
			}
			b.ReportMetric(float64(each)/float64(few), "many/few")
		})
	}
}
