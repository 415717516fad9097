package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"usher/api/wire"
)

// transferTimeout is the timeout of an export or import. A context may end it earlier.
const transferTimeout = 11 * time.Minute

// maxImportLine is the length of the longest line in the response to an import, in bytes.
const maxImportLine = 1 << 20

// ImportOptions say how a directory is imported.
type ImportOptions struct {
	Replace bool   // removes what the file does not contain
	DryRun  bool   // changes nothing
	Account string // NATS account of projects that set none; empty: the server's default
}

// Export writes the whole directory to w, as a directory file. After an error w may
// contain a part of it.
func (c *Client) Export(ctx context.Context, w io.Writer) error {
	response, err := c.openStream(ctx, newRequest(http.MethodGet, pathTo("directory:export"), nil))
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
	response, err := c.openStream(ctx, r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	return readImport(response.Body, o, progress)
}

// readImport reads the response to an import.
func readImport(r io.Reader, o ImportOptions, progress func(*wire.ImportLine)) (*wire.ImportResult, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxImportLine)
	for lines.Scan() {
		var l wire.ImportLine
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			return nil, fmt.Errorf("%w: not JSON of the expected shape", ErrResponse)
		}
		switch {
		case l.Error != nil:
			return nil, bodyError(l.Error, "")
		case l.Result != nil:
			return l.Result, nil
		default:
			progress(&l)
		}
	}
	err := fmt.Errorf("%w: its last line is missing", ErrResponse)
	if lines.Err() != nil {
		err = fmt.Errorf("read the response: %w", lines.Err())
	}
	if !o.DryRun {
		err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return nil, err
}

// openStream sends a request whose response may take long.
func (c *Client) openStream(ctx context.Context, r *request) (*http.Response, error) {
	r.stream = true
	hc := *c.http
	hc.Timeout = transferTimeout
	return c.send(ctx, &hc, r)
}
