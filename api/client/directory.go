package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"usher/api/wire"
)

// transferTimeout is the timeout of an export or import. A context may end it earlier.
const transferTimeout = 11 * time.Minute

// maxLine is the length of the longest line in a response of several lines, in bytes.
const maxLine = 1 << 20

// ImportOptions say how a directory is imported.
type ImportOptions struct {
	Replace bool   // removes what the file does not contain
	DryRun  bool   // changes nothing
	Account string // NATS account of projects that set none; empty: the server's default
}

// Export writes the whole directory to w, as a directory file. After an error w may
// contain a part of it.
func (c *Client) Export(ctx context.Context, w io.Writer) error {
	response, err := c.openStream(ctx, newRequest(http.MethodGet, pathTo("directory:export"), nil), transferTimeout)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	if _, err := io.Copy(w, response.Body); err != nil {
		return fmt.Errorf("read the directory: %w", err)
	}
	return nil
}

// Import sends a directory file. It calls progress for each line of the response but the
// last one: lines report the progress, or, in a dry run, what would change.
func (c *Client) Import(ctx context.Context, yaml []byte, o ImportOptions, progress func(*wire.ImportLine)) (*wire.ImportResult, error) {
	opts := []option{query("account", o.Account), query("mode", "merge")}
	if o.Replace {
		opts = append(opts, query("mode", "replace"))
	}
	if o.DryRun {
		opts = append(opts, query("dryRun", strconv.FormatBool(true)))
	}
	r := newRequest(http.MethodPost, pathTo("directory:import"), opts)
	r.yaml, r.readOnly = yaml, o.DryRun
	response, err := c.openStream(ctx, r, transferTimeout)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	return readLines(response.Body, !o.DryRun, func(l *wire.ImportLine) (*wire.ImportResult, *wire.ErrorBody) {
		if l.Result == nil && l.Error == nil {
			progress(l)
		}
		return l.Result, l.Error
	})
}

// openStream sends a request whose response may take long.
func (c *Client) openStream(ctx context.Context, r *request, timeout time.Duration) (*http.Response, error) {
	r.stream = true
	hc := *c.http
	hc.Timeout = timeout
	return c.send(ctx, &hc, r)
}
