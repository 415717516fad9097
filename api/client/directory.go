package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"usher/api/wire"
)

// transferTimeout is how long a whole directory may take, unless a context ends
// before.
const transferTimeout = 11 * time.Minute

// maxImportLine bounds one line of what an import answers, in bytes.
const maxImportLine = 1 << 20

// ImportOptions say how a directory is imported.
type ImportOptions struct {
	Replace bool   // what the file does not name is removed
	DryRun  bool   // nothing is changed
	Account string // NATS account of projects that state none; empty: the server's default
}

// Export writes the whole directory to w, as a directory file. After an error
// something may be written.
func (c *Client) Export(ctx context.Context, w io.Writer) error {
	answer, err := c.stream(ctx, http.MethodGet, path("directory:export"), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	if _, err := io.Copy(w, answer.Body); err != nil {
		return fmt.Errorf("read the directory: %w", err)
	}
	return nil
}

// Import sends the text of a directory file. Lines that say how far it is, or of a
// dry run what would change, go to line.
func (c *Client) Import(ctx context.Context, text []byte, o ImportOptions, line func(*wire.ImportLine)) (*wire.ImportResult, error) {
	with := []option{query("account", o.Account), query("mode", "merge")}
	if o.Replace {
		with = append(with, query("mode", "replace"))
	}
	if o.DryRun {
		with = append(with, query("dryRun", strconv.FormatBool(true)))
	}
	answer, err := c.stream(ctx, http.MethodPost, path("directory:import"), text, with...)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, maxImportLine)
	for lines.Scan() {
		var l wire.ImportLine
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			return nil, fmt.Errorf("%w: it is not JSON of that shape", ErrAnswer)
		}
		switch {
		case l.Error != nil:
			return nil, errorFrom(l.Error, "")
		case l.Result != nil:
			return l.Result, nil
		default:
			line(&l)
		}
	}
	err = fmt.Errorf("%w: it has no end", ErrAnswer)
	if lines.Err() != nil {
		err = fmt.Errorf("read the answer: %w", lines.Err())
	}
	if !o.DryRun {
		err = fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return nil, err
}

// stream sends a request whose answer may take long. Only a success is returned.
func (c *Client) stream(ctx context.Context, method string, at place, text []byte, with ...option) (*http.Response, error) {
	r := request{method: method, path: at.text, err: at.err}
	for _, o := range with {
		o(&r)
	}
	req, err := c.build(ctx, &r)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "*/*")
	if text != nil {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		req.Header.Set("Content-Type", "application/yaml")
	}
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	long := *c.http
	long.Timeout = transferTimeout
	answer, err := long.Do(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		return nil, noAnswer(req, err, sent.Load() && (r.query == nil || r.query.Get("dryRun") == ""))
	}
	if answer.StatusCode/100 == 2 {
		return answer, nil
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	said, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, noAnswer(req, err, true)
	}
	return nil, errorOf(answer, said)
}
