package bench

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"usher/app/setup"
	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
	"usher/internal/secretfile"

	"github.com/urfave/cli/v2"

	"usher/app/bench"
	"usher/internal/secret"
)

// maxTokensFile is the size limit of --token-file. It fits a token for each of the most
// clients.
const maxTokensFile = 256 << 20

// targetFrom reads the server and the credentials from the options.
func targetFrom(c *cli.Context) (bench.Target, error) {
	t := bench.Target{
		Servers: strings.Split(c.String("server"), ","), Kind: bench.Kind(c.String("kind")),
		AllowRemote: c.Bool("allow-remote"), User: c.String("user"),
	}
	if t.Kind != "" {
		if err := cmdutil.CheckValues("--kind", []string{c.String("kind")}, []bench.Kind{bench.TCP, bench.WebSocket}); err != nil {
			return t, err
		}
	}
	path := c.String("token-file")
	if path == "" && t.User != "" {
		return t, cmdutil.UsageError("name the file with --token-file FILE; - reads stdin", "--user %s needs --token-file", t.User)
	}
	var err error
	if path != "" {
		if t.Tokens, err = ReadTokens(c.App.Reader, path); err != nil {
			return t, err
		}
	}
	if ca := c.String("ca"); ca != "" {
		if t.RootCAs, err = cmdutil.LoadCertPool(ca); err != nil {
			return t, fmt.Errorf("--ca: %w", err)
		}
	}
	t.TLSFirst = c.Bool("tls-first")
	t.Certificate, err = cmdutil.ClientCertificate(c)
	return t, err
}

// ReadTokens reads one token from each non-empty line of a file, or of stdin for path "-".
// Errors redact a path that looks like a token.
func ReadTokens(stdin io.Reader, path string) ([]string, error) {
	if path == "-" {
		tokens, err := tokensFrom(stdin)
		if err != nil {
			return nil, fmt.Errorf("--token-file -: %w", err)
		}
		return tokens, nil
	}
	f, err := os.Open(path) //nolint:gosec // the path is the operator's
	if err != nil {
		return nil, fmt.Errorf("--token-file %s cannot be read: %w", secret.Name(path), secretfile.WithoutPath(err))
	}
	defer f.Close() //nolint:errcheck // read only
	tokens, err := tokensFrom(f)
	if err != nil {
		return nil, fmt.Errorf("--token-file %s: %w", path, err)
	}
	return tokens, nil
}

func tokensFrom(r io.Reader) ([]string, error) {
	var tokens []string
	limited := &io.LimitedReader{R: r, N: maxTokensFile}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, secretfile.MaxSize)
	n := 0
	for ; lines.Scan(); n++ {
		if token := strings.TrimSpace(lines.Text()); token != "" {
			tokens = append(tokens, token)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("line %d is too long for a token", n+1)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read it: %w", secretfile.WithoutPath(err))
	}
	if limited.N <= 0 {
		return nil, errors.New("the file is too large")
	}
	if len(tokens) == 0 {
		return nil, errors.New("the file contains no token")
	}
	return tokens, nil
}

// startError says why a run did not start.
func startError(c *cli.Context, err error) error {
	switch {
	case errors.Is(err, bench.ErrRemote):
		return cmdutil.UsageError("allow it with --allow-remote if you mean to load that server", "--server: %w", err)
	case errors.Is(err, bench.ErrKind):
		return cmdutil.UsageError("nats:// and tls:// are of kind tcp, ws:// and wss:// of kind websocket", "--server: %w", err)
	case errors.Is(err, bench.ErrServer):
		return cmdutil.UsageError("such as -s nats://"+setup.DefaultListen+"; give the token with --token-file", "--server: %w", err)
	case c.Err() != nil:
		return &fault.Error{Kind: fault.Interrupted, Err: errors.New("interrupted before the start")}
	default:
		return fmt.Errorf("--server: %w", err)
	}
}
