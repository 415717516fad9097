package messages

import (
	"sync"
	"time"

	"usher/api/apierror"
	"usher/api/messages/ackid"
	"usher/api/rest"
	"usher/internal/budget"
)

// Config is what the handlers need.
type Config struct {
	Store Store      // nil: this service serves no messages
	Keys  ackid.Keys // of ack ids; needed with Store
	Now   func() time.Time

	// Memory bounds the bytes of the messages of all requests in progress; 0: DefaultMemory.
	Memory int64
	// MaxPayload returns max_payload of the servers in bytes, which bounds one message. If it
	// is nil or returns 0, the limit is that of NATS by default.
	MaxPayload func() int64
	// Wait bounds how long a pull waits for the first message; 0: DefaultWait.
	Wait time.Duration
	// Limits bound how many requests are in progress; 0: the default of each.
	Limits Limits
}

// Defaults.
const (
	DefaultMemory     = 256 << 20
	DefaultWait       = 20 * time.Second
	defaultMaxPayload = 1 << 20 // of nats-server
)

// What one request may have.
const (
	maxBatch    = 1000     // messages
	maxBody     = 32 << 20 // bytes of a body with messages
	maxPull     = 8 << 20  // bytes of the messages of an answer
	maxAckBody  = 1 << 20
	maxSmall    = 64 << 10 // bytes of another body
	maxAttrs    = 256      // attributes of a message
	maxDedupeID = 255      // bytes of an idempotency key
)

// Handlers are the handlers of this package.
type Handlers struct {
	cfg    Config
	memory *budget.Budget
	pulls  *gate // requests in progress that publish, pull or acknowledge
	polls  *gate // those that wait for a message

	buffers sync.Pool // of answers, *[]byte
}

// New returns the handlers. The zero Config is enough for Routes.
func New(cfg Config) *Handlers {
	if cfg.Memory <= 0 {
		cfg.Memory = DefaultMemory
	}
	if cfg.Wait <= 0 {
		cfg.Wait = DefaultWait
	}
	cfg.Limits.setDefaults()
	return &Handlers{
		cfg: cfg, memory: budget.New(cfg.Memory),
		pulls: newGate(cfg.Limits.KeyRequests, cfg.Limits.ProjectRequests, 0, 0),
		polls: newGate(cfg.Limits.KeyPolls, cfg.Limits.ProjectPolls, cfg.Limits.HostPolls, cfg.Limits.Polls),
		buffers: sync.Pool{New: func() any {
			b := make([]byte, 0, flushSize)
			return &b
		}},
	}
}

// maxPayload is how many bytes one message may have.
func (h *Handlers) maxPayload() int64 {
	if h.cfg.MaxPayload != nil {
		if n := h.cfg.MaxPayload(); n > 0 {
			return n
		}
	}
	return defaultMaxPayload
}

// handler returns the handler of a route that needs the store.
func (h *Handlers) handler(serve rest.Handler) rest.Handler {
	return func(r *rest.Request) (*rest.Response, error) {
		if h.cfg.Store == nil {
			return nil, apierror.NoMessages()
		}
		return serve(r)
	}
}

// limited is handler for routes that move messages: it bounds how many are in progress.
func (h *Handlers) limited(serve rest.Handler) rest.Handler {
	return h.handler(func(r *rest.Request) (*rest.Response, error) {
		leave, ok := h.pulls.enter(r)
		if !ok {
			return nil, busy("Too many requests of this key or project are in progress")
		}
		written := false
		defer func() {
			if !written {
				leave()
			}
		}()
		response, err := serve(r)
		if err == nil && response.Stream != nil {
			response.After(leave)
			written = true
		}
		return response, err
	})
}

// busy refuses a request that may be sent again soon.
func busy(message string) *apierror.Error {
	return apierror.TooManyRequests(message, time.Second)
}
