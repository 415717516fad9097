package bench

import (
	"context"
	"sync/atomic"
	"time"
)

// pace calls begin for 0 to n-1, each when it is due, until ctx ends. If it is late it
// skips none: it calls begin at once for all that are due. begin must not block.
func pace(ctx context.Context, since func() time.Duration, n int, due func(i int) time.Duration, begin func(i int)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := range n {
		if early := due(i) - since(); early > 0 {
			timer.Reset(early)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return
		}
		begin(i)
	}
}

// peak is the maximum of the observed durations.
type peak struct{ atomic.Int64 }

func (p *peak) observe(d time.Duration) {
	for {
		longest := p.Load()
		if int64(d) <= longest || p.CompareAndSwap(longest, int64(d)) {
			return
		}
	}
}
