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

// maxTokensFile is far above a token for each of as many clients as there may be.
const maxTokensFile = 256 << 20

// benchTarget is what the command line says about the server and the credentials.
func benchTarget(c *cli.Context) (bench.Target, error) {
	t := bench.Target{
		Servers: strings.Split(c.String("server"), ","), Kind: bench.Kind(c.String("kind")),
		AllowRemote: c.Bool("allow-remote"), User: c.String("user"),
	}
	if k := t.Kind; k != "" && k != bench.TCP && k != bench.WebSocket {
		return t, cmdutil.UsageError("", "--kind %q is neither %s nor %s", k, bench.TCP, bench.WebSocket)
	}
	path := c.String("token-file")
	if path == "" && t.User != "" {
		return t, cmdutil.UsageError("say it with --token-file FILE; - reads it from stdin", "--user %s: with which token?", t.User)
	}
	var err error
	if path != "" {
		if t.Tokens, err = ReadTokens(c.App.Reader, path); err != nil {
			return t, err
		}
	}
	if ca := c.String("ca"); ca != "" {
		if t.RootCAs, err = cmdutil.ReadCA(ca); err != nil {
			return t, fmt.Errorf("--ca: %w", err)
		}
	}
	t.TLSFirst = c.Bool("tls-first")
	t.Certificate, err = cmdutil.ClientCertificate(c)
	return t, err
}

// ReadTokens reads one token from each line that is not empty. What is no file
// is named only as far as it may be: it may be a token.
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
		return nil, fmt.Errorf("it cannot be read: %w", secretfile.WithoutPath(err))
	}
	if limited.N <= 0 {
		return nil, errors.New("it is too large")
	}
	if len(tokens) == 0 {
		return nil, errors.New("there is no token in it")
	}
	return tokens, nil
}

// benchRefused says why a load was not begun.
func benchRefused(c *cli.Context, err error) error {
	switch {
	case errors.Is(err, bench.ErrRemote):
		return cmdutil.UsageError("--allow-remote, if the load is meant for it", "--server: %w", err)
	case errors.Is(err, bench.ErrKind):
		return cmdutil.UsageError("nats:// and tls:// are tcp, ws:// and wss:// are websocket", "--server: %w", err)
	case errors.Is(err, bench.ErrServer):
		return cmdutil.UsageError("such as -s nats://"+setup.DefaultListen+"; the token comes from --token-file", "--server: %w", err)
	case c.Err() != nil:
		return &fault.Error{Kind: fault.Interrupted, Err: errors.New("interrupted before it began")}
	default:
		return fmt.Errorf("--server: %w", err)
	}
}
