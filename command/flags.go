package command

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A setting is a flag that may also be set in the environment. Flags of a single call,
// such as filters and --yes, are not settings: a forgotten variable must not delete more.

const variableAnnotation = "mcptasks_variable" // on a setting's flag

// fromEnvironment makes settings of all flags that the set has now. The variable's name
// and the help come from the flag's name, so that the three agree.
func fromEnvironment(flags *pflag.FlagSet) { flags.VisitAll(setting) }

func setting(flag *pflag.Flag) {
	if flag.Annotations[variableAnnotation] != nil {
		return
	}
	variable := "MCPTASKS_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
	if flag.Name == "database" {
		variable = "DATABASE_URL"
	}
	flag.Usage += " [$" + variable + "]"
	flag.Annotations = map[string][]string{variableAnnotation: {variable}}
}

// readEnvironment sets the settings that the command line does not set.
func readEnvironment(cmd *cobra.Command) (err error) {
	flags := cmd.Flags()
	flags.VisitAll(func(flag *pflag.Flag) {
		variable := flag.Annotations[variableAnnotation]
		if flag.Changed || variable == nil || err != nil {
			return
		}
		value := os.Getenv(variable[0])
		if value == "" {
			return
		}
		if wrong := flags.Set(flag.Name, value); wrong != nil {
			err = usageError{fmt.Errorf("$%s: %w", variable[0], wrong)}
		}
	})
	return err
}
