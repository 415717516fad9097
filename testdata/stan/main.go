// Command stan runs NATS Streaming for usher's tests: a streaming server that connects to
// an existing NATS server, and a streaming client that reports which operations were
// permitted.
//
// It is a separate module, because NATS Streaming is retired and pins old versions of
// libraries that usher uses. The tests build it and run it as a separate process; no
// package of usher imports it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

const usage = `usage: stan server CONNECTION [--cluster ID] [--heartbeat D] [--store DIR]
       stan embedded --config FILE --tls-ca FILE --tls-cert FILE --tls-key FILE [--tls-name NAME]
       stan client CONNECTION [--cluster ID] [--client-id ID] [--token-file FILE]
                   --op publish|publish-async|subscribe --channel NAME [--timeout D] [--hold D]
       stan client ... --op publish-many --count N [--interval D] [--prefix TEXT] [--retry D]
       stan client ... --op read --durable NAME [--retry D]
CONNECTION is --nats-url URL [--tls-ca FILE [--tls-name NAME] [--tls-cert FILE --tls-key FILE]]
publish-many and read go on through failures, until stdin closes.
`

// errUsage: the command line is wrong.
var errUsage = errors.New("usage")

func main() {
	if err := run(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(0)
		}
		fmt.Fprintln(os.Stderr, "stan:", err)
		if errors.Is(err, errUsage) {
			fmt.Fprint(os.Stderr, usage)
			os.Exit(2)
		}
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: no command", errUsage)
	}
	switch args[0] {
	case "server":
		return runServer(args[1:])
	case "embedded":
		return runEmbedded(args[1:])
	case "client":
		return runClient(args[1:])
	default:
		return fmt.Errorf("%w: unknown command %q", errUsage, args[0])
	}
}

// parse parses the flags of one command and refuses further arguments.
func parse(fs *flag.FlagSet, args []string) error {
	fs.SetOutput(os.Stderr)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %s: %w", errUsage, fs.Name(), err)
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%w: %s: unexpected argument %q", errUsage, fs.Name(), fs.Arg(0))
	}
	return nil
}
