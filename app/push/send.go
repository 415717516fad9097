package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"sync/atomic"
	"time"
)

// Client sends requests. It follows no redirects, and refuses addresses that the
// configuration does not allow.
type Client interface {
	Do(*http.Request) (*http.Response, error)
}

// maxAnswer is how much of an answer is read, so that the connection can be used again.
const maxAnswer = 64 << 10

// failure is why a push failed. Its text shows no part of the endpoint but the host.
type failure struct {
	outcome Outcome
	text    string
}

func (f *failure) Error() string { return f.text }

// send posts messages to the endpoint of a subscription. It returns nil if the endpoint has
// taken them.
func (l *loop) send(messages []Message) *failure {
	content, err := body(&l.sub, messages)
	if err != nil {
		return &failure{OutcomeFailed, "encode the messages: " + err.Error()}
	}
	values, err := l.header.values(l.hard, &l.sub, l.w.cfg.Now())
	if err != nil {
		return &failure{OutcomeAuthorization, "the authorization header is not known: " + err.Error()}
	}
	status, f := l.post(content, values[0])
	if f == nil && refused(status) && len(values) > 1 && l.hard.Err() == nil {
		if status, f = l.post(content, values[1]); f == nil && !refused(status) {
			l.header.other(l.w.cfg.Now())
		}
	}
	if f != nil {
		return f
	}
	switch status {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusProcessing:
		return nil
	}
	return &failure{OutcomeStatus, fmt.Sprintf("%s answered with status %d", l.target.Host, status)}
}

// refused reports whether an endpoint may have expected another header.
func refused(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// post makes one request, and returns the status of the answer. That an endpoint is processing
// counts as an answer if no other comes.
func (l *loop) post(content []byte, authorization string) (status int, f *failure) {
	w := l.w
	ctx, cancel := context.WithTimeout(l.hard, w.cfg.Timeout)
	defer cancel()
	var processing atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		processing.Store(processing.Load() || code == http.StatusProcessing)
		return nil
	}})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.target.String(), bytes.NewReader(content))
	if err != nil {
		return 0, &failure{OutcomeFailed, "the endpoint is not a URL"}
	}
	request.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	began := w.cfg.Now()
	response, err := w.cfg.Client.Do(request)
	if err != nil {
		w.cfg.Metrics.took(w.cfg.Now().Sub(began))
		// 102 says that the endpoint has the messages. What it answers afterwards decides,
		// if anything comes.
		if processing.Load() {
			return http.StatusProcessing, nil
		}
		return 0, w.explain(ctx, l.target.Host, err)
	}
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer)
	_ = response.Body.Close()
	w.cfg.Metrics.took(w.cfg.Now().Sub(began))
	return response.StatusCode, nil
}

// explain says why a request failed. The text of a url.Error has the whole URL.
func (w *Worker) explain(ctx context.Context, host string, err error) *failure {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &failure{OutcomeTimeout, fmt.Sprintf("%s did not answer within %s", host, w.cfg.Timeout.Round(time.Millisecond))}
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return &failure{OutcomeConnection, host + ": " + err.Error()}
}
