package listener

import (
	"bytes"
	"context"
	"log/slog"
	"sync"

	"golang.org/x/time/rate"

	"usher/internal/secret"
)

// Whoever reaches a listener can have net/http complain as often as it likes.
const (
	complaintsPerSecond = 1
	complaintsBurst     = 10
	maxComplaint        = 1024 // bytes
)

// complaints writes what net/http complains of into the log, the first few a second.
type complaints struct {
	log  *slog.Logger
	name string

	mu      sync.Mutex
	limiter *rate.Limiter
	omitted int
}

// Write implements io.Writer for log.Logger: one call is one complaint.
func (c *complaints) Write(p []byte) (int, error) {
	if omitted, ok := c.admit(); ok {
		c.log.LogAttrs(context.Background(), slog.LevelWarn, "a listener complains",
			slog.String("listener", c.name), slog.Int("omitted", omitted),
			slog.String("complaint", secret.Filter{}.Text(string(bytes.TrimSpace(p)), maxComplaint)))
	}
	return len(p), nil
}

func (c *complaints) admit() (omitted int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limiter == nil {
		c.limiter = rate.NewLimiter(complaintsPerSecond, complaintsBurst)
	}
	if !c.limiter.Allow() {
		c.omitted++
		return 0, false
	}
	omitted, c.omitted = c.omitted, 0
	return omitted, true
}
