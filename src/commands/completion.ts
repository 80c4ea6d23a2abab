/** `alpha completion SHELL`: completions, made from the table of commands and their options. */
import type { Command } from './command.ts'
import { flagsOf, type Option, UsageError } from './settings/option.ts'
import { parseOptions } from './settings/options.ts'

const SHELLS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const

/** The command that writes completions of `commands` and of itself. */
export function completionCommand(commands: () => readonly Command[]): Command {
	return {
		name: 'completion',
		usage: 'bash|zsh|fish',
		summary: 'write completions for a shell: source <(alpha completion bash)',
		options: () => ({}),
		completes: ['shell'],
		async run(context) {
			const { positionals } = parseOptions({}, context)
			const [shell = '', ...rest] = positionals
			const script = Object.entries(SHELLS).find(([name]) => name === shell)?.[1]
			if (script === undefined || rest.length > 0) {
				throw new UsageError(`expected ${Object.keys(SHELLS).join(', ')}: alpha completion SHELL`)
			}
			context.print(script(commands().map(describe)))
			return 0
		},
	}
}

/** What a shell has to know of a command. */
interface Described {
	readonly names: readonly string[]
	readonly summary: string
	readonly completes: NonNullable<Command['completes']>
	readonly options: readonly DescribedOption[]
}

interface DescribedOption {
	readonly flag: string
	readonly help: string
	/** What its value may be; null for a switch. */
	readonly value: readonly string[] | 'file' | 'any' | null
}

/** Placeholders of options whose value is a path. */
const PATHS = ['DIR', 'FILE']

function describe({ name, aliases = [], summary, completes = [], options }: Command): Described {
	const rows = Object.values(options()).flatMap((option) =>
		flagsOf(option).map((flag) => ({ flag, help: option.help, value: expectedValue(option) })),
	)
	const help = { flag: '--help', help: 'what it does and its options', value: null }
	return { names: [name, ...aliases], summary, completes, options: [...rows, help] }
}

function expectedValue({ placeholder, choices }: Option<unknown>): DescribedOption['value'] {
	if (placeholder === null) return null
	if (choices !== undefined) return choices
	return PATHS.includes(placeholder) ? 'file' : 'any'
}

/** Completes in bash and zsh alike: what follows a word is looked up in the same cases. */
function wordCases(commands: readonly Described[]): string {
	return commands
		.map(({ names, options, completes }) => {
			const valued = options.flatMap(({ flag, value }) => {
				if (value === null) return []
				if (value === 'any') return [`      ${flag}) kind=any;;`]
				if (value === 'file') return [`      ${flag}) kind=file;;`]
				return [`      ${flag}) kind=words; words='${value.join(' ')}';;`]
			})
			const flags = options.map(({ flag }) => flag).join(' ')
			const rest = completes.length === 0 ? 'any' : completes.join(' ')
			return [
				`    ${names.join('|')})`,
				`      flags='${flags}'; arguments='${rest}'`,
				'      case "$previous" in',
				...valued,
				'      esac;;',
			].join('\n')
		})
		.join('\n')
}

/** Sets kind (of what is completed), words and flags for a word of the command line. */
function lookUp(commands: readonly Described[]): string {
	const names = commands.flatMap((command) => command.names).join(' ')
	return `  kind=; words=; flags='--version --help'; arguments=any
  case "$command" in
    '') kind=words; words='${names}';;
${wordCases(commands)}
  esac
  if [ -z "$kind" ]; then
    case "$current" in
      -*) kind=words; words=$flags;;
      *)
        # The last kind of argument holds for all that follow.
        for each in $arguments; do
          kind=$each
          [ "$position" -le 1 ] && break
          position=$((position - 1))
        done;;
    esac
  fi
  case "$kind" in
    model) kind=words; words=$(alpha list --names 2>/dev/null);;
    shell) kind=words; words='${Object.keys(SHELLS).join(' ')}';;
  esac`
}

function bashScript(commands: readonly Described[]): string {
	return `# Completions of alpha for bash.
_alpha() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local command= position=0 index kind words flags arguments each
  for ((index = 1; index < COMP_CWORD; index++)); do
    case \${COMP_WORDS[index]} in
      -*) ;;
      *) if [ -z "$command" ]; then command=\${COMP_WORDS[index]}; else position=$((position + 1)); fi;;
    esac
  done
  [ -n "$command" ] && position=$((position + 1))
${lookUp(commands)}
  case "$kind" in
    words) COMPREPLY=($(compgen -W "$words" -- "$current"));;
    file) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current"));;
    *) COMPREPLY=();;
  esac
}
complete -F _alpha alpha
`
}

function zshScript(commands: readonly Described[]): string {
	return `#compdef alpha
# Completions of alpha for zsh.
_alpha() {
  emulate -L zsh
  setopt sh_word_split
  local current=\${words[CURRENT]} previous=\${words[CURRENT-1]}
  local -a typed=("\${(@)words}")
  local command= position=0 index kind words flags arguments each
  for ((index = 2; index < CURRENT; index++)); do
    case \${typed[index]} in
      -*) ;;
      *) if [ -z "$command" ]; then command=\${typed[index]}; else position=$((position + 1)); fi;;
    esac
  done
  [ -n "$command" ] && position=$((position + 1))
${lookUp(commands)}
  case "$kind" in
    words) compadd -- $words;;
    file) _files;;
  esac
}
if [ "$funcstack[1]" = _alpha ]; then _alpha "$@"; else compdef _alpha alpha; fi
`
}

function fishScript(commands: readonly Described[]): string {
	const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
	const lines = ['# Completions of alpha for fish.', 'complete -c alpha -f']
	for (const { names, summary, completes, options } of commands) {
		for (const name of names) {
			lines.push(`complete -c alpha -n __fish_use_subcommand -a ${name} -d ${quote(summary)}`)
		}
		const within = `complete -c alpha -n ${quote(`__fish_seen_subcommand_from ${names.join(' ')}`)}`
		for (const { flag, help, value } of options) {
			const long = `${within} -l ${flag.slice('--'.length)} -d ${quote(help)}`
			if (value === null) lines.push(long)
			else if (value === 'file') lines.push(`${long} -rF`)
			else if (value === 'any') lines.push(`${long} -x`)
			else lines.push(`${long} -xa ${quote(value.join(' '))}`)
		}
		for (const kind of new Set(completes)) {
			if (kind === 'file') lines.push(`${within} -F`)
			if (kind === 'model') lines.push(`${within} -a '(alpha list --names 2>/dev/null)'`)
			if (kind === 'shell') lines.push(`${within} -a ${quote(Object.keys(SHELLS).join(' '))}`)
		}
	}
	return `${lines.join('\n')}\n`
}
