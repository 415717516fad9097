package rest

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// writeTimeout is how long after the end of a request its response may be on its way. A
	// client that does not read its response loses the connection.
	writeTimeout = 10 * time.Second

	// strangerTimeout is how long a body may take while nobody knows whose it is.
	strangerTimeout = 5 * time.Second

	// dropTimeout is how long a response waits for the rest of a body that nobody reads.
	dropTimeout = 250 * time.Millisecond

	// maxDropped is how much of such a body is read, to use the connection again.
	maxDropped = 256 << 10
)

// setDeadlines sets the deadlines of a request whose caller is not known yet. A writer without
// deadlines has the limits of its server.
func (r *Request) setDeadlines() {
	end, ok := r.Context().Deadline()
	if !ok {
		return
	}
	_ = http.NewResponseController(r.writer).SetWriteDeadline(end.Add(writeTimeout))
	if early := in(strangerTimeout); r.sent != http.NoBody && early.Before(end) {
		r.setReadDeadline(early)
		return
	}
	// net/http reads on after a body, to notice that the client has gone. If that read ended
	// before the request, its context would end too.
	r.setReadDeadline(end)
}

// extendRead gives the rest of the request as much time as the request itself has.
func (r *Request) extendRead() {
	if end, ok := r.Context().Deadline(); ok {
		r.setReadDeadline(end)
	}
}

// in returns a deadline of a connection, which is by the clock of the system.
func in(d time.Duration) time.Time {
	return time.Now().Add(d) //nolint:forbidigo // net has no other clock
}

// setReadDeadline reports whether the writer has deadlines.
func (r *Request) setReadDeadline(t time.Time) bool {
	return http.NewResponseController(r.writer).SetReadDeadline(t) == nil
}

// dropBody readies the connection for a response to a request whose body may be unread. net/http
// would wait for the body before it responds, until the read deadline: a client could hold the
// connection by sending slowly. A body that does not come at once costs the client its
// connection.
func (r *Request) dropBody() {
	if r.sent == nil || r.sent == http.NoBody {
		return
	}
	// A client that expects 100-continue waits for the response, and reading would ask it for
	// the body.
	if r.setReadDeadline(in(dropTimeout)) && r.HTTP.Header.Get("Expect") == "" {
		if n, err := io.CopyN(io.Discard, r.sent, maxDropped); n < maxDropped && errors.Is(err, io.EOF) {
			r.extendRead()
			return
		}
	}
	if r.HTTP.ProtoMajor == 1 { // in HTTP/2 the stream alone ends
		r.writer.Header().Set("Connection", "close")
	}
	// After the response, net/http reads on until then: the client's system would drop a
	// response that is followed by a reset.
	r.setReadDeadline(in(dropTimeout))
}
