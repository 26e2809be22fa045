using System.CommandLine;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Commands;

/// <summary><c>chatglm completion</c>: scripts that make shells complete commands, flags and names. Each asks the command itself, so that it never grows old.</summary>
internal static class CompletionCommand
{
    public static Command Create(ToolConsole console)
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh, fish or pwsh." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish", "pwsh");
        var command = new Command("completion", """
            Write a script that completes commands, flags and model names in a shell. Load it where the shell starts:
            bash: source <(chatglm completion bash)    zsh: source <(chatglm completion zsh), after compinit
            fish: chatglm completion fish | source     pwsh: chatglm completion pwsh | Out-String | Invoke-Expression
            """)
        {
            shell,
        };
        command.SetAction(parsed =>
        {
            console.Out.Write(Script(parsed.GetValue(shell)!));
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>The script of a shell. The command answers <c>chatglm "[suggest:POSITION]" "LINE"</c> with one word a line.</summary>
    private static string Script(string shell) => shell switch
    {
        "bash" => """
            # chatglm completion for bash. Where the command has nothing to say, files are completed.
            _chatglm() {
                local current="${COMP_WORDS[COMP_CWORD]}" word
                COMPREPLY=()
                while IFS= read -r word; do
                    [[ "$word" == "$current"* ]] && COMPREPLY+=("$word")
                done < <("${COMP_WORDS[0]}" "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)
            }
            complete -o bashdefault -o default -F _chatglm chatglm

            """,
        "zsh" => """
            # chatglm completion for zsh. Where the command has nothing to say, files are completed.
            _chatglm() {
                local -a words_found
                words_found=("${(@f)$(${words[1]} "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
                words_found=(${words_found:#})
                if (( ${#words_found} )); then compadd -a words_found; else _files; fi
            }
            compdef _chatglm chatglm

            """,
        "fish" => """
            # chatglm completion for fish. Where the command has nothing to say, files are completed.
            function __chatglm_complete
                set -l line (commandline -cp)
                chatglm "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
            end
            complete -c chatglm -a '(__chatglm_complete)'

            """,
        _ => """
            # chatglm completion for PowerShell.
            Register-ArgumentCompleter -Native -CommandName chatglm -ScriptBlock {
                param($wordToComplete, $commandAst, $cursorPosition)
                $line = $commandAst.ToString()
                if ($cursorPosition -gt $line.Length) { $line = $line.PadRight($cursorPosition) }
                chatglm "[suggest:$cursorPosition]" $line 2>$null | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
                    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
                }
            }

            """,
    };
}
