; Set-up of the client agent for Windows 7 SP1 and later. installers/build_agent.py gives VERSION, OUTPUT, STAGE
; (with files-amd64.nsh, files-win32.nsh) and HAS_AMD64, HAS_WIN32, and writes this file as UTF-8 with a mark.
;
;   exam-agent-VERSION.exe [/S] [/STATION=http://192.168.1.2:8080] [/FINGERPRINT=k3vd-7q2a-...] [/SEAT=12] [/ROOM=...]
;
; Exit status: 0 done; 1 cancelled; 2 broken off; 10 locked for a test; 11 not all could be put back or stopped;
; 12 no administrator; 13 this Windows cannot run the program; 14 the service was not registered; 20 installed, but not
; yet registered with the station.
Unicode true
ManifestSupportedOS all
RequestExecutionLevel admin
SetCompressor /SOLID lzma
AllowSkipFiles off
CRCCheck force
Name "$(ProgramName) ${VERSION}"
OutFile "${OUTPUT}"
BrandingText "exam-agent ${VERSION}"
ShowInstDetails show
ShowUninstDetails show
VIProductVersion "${VERSION}.0"
VIAddVersionKey /LANG=0 "ProductName" "exam-agent"
VIAddVersionKey /LANG=0 "ProductVersion" "${VERSION}"
VIAddVersionKey /LANG=0 "FileVersion" "${VERSION}"
VIAddVersionKey /LANG=0 "FileDescription" "考试机程序 exam-agent"
VIAddVersionKey /LANG=0 "LegalCopyright" "Apache-2.0"

!include MUI2.nsh
!include LogicLib.nsh
!include x64.nsh
!include WinVer.nsh
!include FileFunc.nsh
!include nsDialogs.nsh

!define SERVICE "ExamAgent"
!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\exam-agent"
!define LOCKED 10
!define NOT_PUT_BACK 11
!define NO_ADMINISTRATOR 12
!define CANNOT_RUN 13
!define NO_SERVICE 14
!define NOT_REGISTERED 20

Var Station
Var Fingerprint
Var Seat
Var Room
Var StationField
Var FingerprintField
Var SeatField
Var Status
Var HadOld

!define MUI_ABORTWARNING
!define MUI_WELCOMEPAGE_TEXT "$(WelcomeText)"
!define MUI_FINISHPAGE_TEXT "$(FinishText)"
!insertmacro MUI_PAGE_WELCOME
Page custom AskStation TakeStation
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "SimpChinese"
!insertmacro MUI_LANGUAGE "English"
!insertmacro GetParameters
!insertmacro GetOptions

!macro Say name zh en
  LangString ${name} ${LANG_SIMPCHINESE} "${zh}"
  LangString ${name} ${LANG_ENGLISH} "${en}"
!macroend
!insertmacro Say ProgramName "考试机程序" "Exam agent"
!insertmacro Say WelcomeText "将在本机安装考试机程序和一个系统服务（随电脑启动）。安装需要管理员权限，约一分钟，不必重启。$\r$\n$\r$\n考试时，服务按考站的指令锁定本机，结束后恢复原状。平时不锁定，不上传个人文件。$\r$\n$\r$\n请先关闭其他程序。" "This installs the exam agent and a system service that starts with the PC. It needs an administrator and about a minute, and no restart.$\r$\n$\r$\nDuring a test the service locks this PC as the station orders, and puts it back afterwards."
!insertmacro Say FinishText "安装完成。请在监考台“考试机”页面查看本机是否在线；没有考位的，在监考台或本机屏幕上填考位号。$\r$\n$\r$\n开始菜单“考试机程序”中有“检查本机”和“恢复本机”。" "Done. See on the console's page of PCs that this PC is there, and give it its seat.$\r$\n$\r$\nThe start menu has 'Check this PC' and 'Restore this PC'."
!insertmacro Say StationTitle "考站" "Station"
!insertmacro Say StationSubtitle "都可以不填：程序会在局域网内自动查找考站。" "All may be left empty: the agent looks for the station on the room's network."
!insertmacro Say StationLabel "考站地址（例：http://192.168.1.2:8080）" "Address (such as http://192.168.1.2:8080)"
!insertmacro Say FingerprintLabel "考站编号（监考台“考试机”页顶部显示，前 12 位即可）" "Fingerprint (on the console's page PCs; 12 letters will do)"
!insertmacro Say SeatLabel "本机考位号" "Seat number of this PC"
!insertmacro Say IsLocked "本机正锁定考试，或上次更改尚未恢复，不能安装、更新或卸载。请在考试结束、监考台解锁后再试；仍不行时运行“恢复本机”。" "This PC is locked for a test, or changes are still to be put back: nothing is installed or removed now. Try again once it is unlocked, or run 'Restore this PC'."
!insertmacro Say IsNotPutBack "服务无法停止，或本机有更改未能恢复，原程序保留。请看详细信息中的项目，处理后再试。" "The service did not stop, or not all could be put back. The program stays. See the details and try again."
!insertmacro Say WantsAdministrator "请用管理员账户安装（右键，以管理员身份运行）。" "Please install as an administrator."
!insertmacro Say OldWindows "需要 Windows 7 SP1 或更高版本，且与本安装包的位数（32/64 位）一致。" "Windows 7 SP1 or later is needed, of the kind (32 or 64 bit) that this set-up was built for."
!insertmacro Say CannotRun "程序无法在本机运行，没有改动原有程序。Windows 7 请先装 SP1、KB2533623 和 KB2999226（通用 C 运行库），再安装一次。" "The program does not run on this PC; nothing was changed. On Windows 7 install SP1, KB2533623 and KB2999226 (Universal C Runtime) first."
!insertmacro Say NoService "系统服务未能登记，可能被杀毒软件拦截。请把安装文件夹加入信任后再安装一次。" "The service could not be registered; antivirus software may have stopped it. Trust the folder and install again."
!insertmacro Say NotYetRegistered "已安装，尚未登记考位：程序会继续自动登记，也可在监考台“考试机”页面处理。" "Installed, but not yet registered: the agent goes on trying; see the console's page of PCs."
!insertmacro Say CheckLink "检查本机" "Check this PC"
!insertmacro Say RestoreLink "恢复本机" "Restore this PC"
!insertmacro Say KeptForRestore "还原文件仍在，程序数据文件夹保留：" "An undo file is left, so the agent's folder stays: "

!macro Refuse status sentence
  DetailPrint "${sentence}"
  MessageBox MB_OK|MB_ICONSTOP "${sentence}" /SD IDOK
  SetErrorLevel ${status}
  Abort "${sentence}"
!macroend

; Runs the installed agent; $Status is its exit status, or a word where it could not be started.
!macro Agent arguments
  nsExec::ExecToLog '"$INSTDIR\runtime\python.exe" -m client_agent ${arguments}'
  Pop $Status
!macroend

!macro Service arguments
  nsExec::ExecToLog '"$INSTDIR\nssm.exe" ${arguments}'
  Pop $Status
!macroend

; A link that asks for an administrator: flag 0x20 of byte 21 of a link's head is "run as administrator".
!macro AdministratorLink path arguments
  CreateShortCut "${path}" "$SYSDIR\cmd.exe" '/k ""$INSTDIR\exam-agent.cmd" ${arguments}"' "$INSTDIR\runtime\python.exe"
  FileOpen $R1 "${path}" a
  FileSeek $R1 21 SET
  FileReadByte $R1 $R2
  IntOp $R2 $R2 | 0x20
  FileSeek $R1 21 SET
  FileWriteByte $R1 $R2
  FileClose $R1
!macroend

; The service runs as the system: its files lie where only administrators write, whatever /D= says.
!macro KnowThisPC
  SetShellVarContext all
  ${If} ${RunningX64}
    SetRegView 64
    StrCpy $INSTDIR "$PROGRAMFILES64\Exam Agent"
  ${Else}
    StrCpy $INSTDIR "$PROGRAMFILES\Exam Agent"
  ${EndIf}
  UserInfo::GetAccountType
  Pop $R0
  ${If} $R0 != "Admin"
    !insertmacro Refuse ${NO_ADMINISTRATOR} "$(WantsAdministrator)"
  ${EndIf}
!macroend

Function .onInit
  !insertmacro KnowThisPC
  StrCpy $R0 "no"
  ${If} ${AtLeastWin7}
    ${If} ${RunningX64}
      !ifdef HAS_AMD64
        StrCpy $R0 "yes"
      !endif
    ${Else}
      !ifdef HAS_WIN32
        StrCpy $R0 "yes"
      !endif
    ${EndIf}
  ${EndIf}
  ${If} $R0 != "yes"
    !insertmacro Refuse ${CANNOT_RUN} "$(OldWindows)"
  ${EndIf}
  ${GetParameters} $R0
  ClearErrors
  ${GetOptions} $R0 "/STATION=" $Station
  ${GetOptions} $R0 "/FINGERPRINT=" $Fingerprint
  ${GetOptions} $R0 "/SEAT=" $Seat
  ${GetOptions} $R0 "/ROOM=" $Room
  ClearErrors
  ${If} ${FileExists} "$INSTDIR\runtime\python.exe"
    StrCpy $HadOld "yes"
    !insertmacro Agent "restore --unless-locked"
    ${If} $Status != "0"
      !insertmacro Refuse ${LOCKED} "$(IsLocked)"
    ${EndIf}
  ${EndIf}
FunctionEnd

Function AskStation
  !insertmacro MUI_HEADER_TEXT "$(StationTitle)" "$(StationSubtitle)"
  nsDialogs::Create 1018
  Pop $R0
  ${NSD_CreateLabel} 0 0 100% 10u "$(StationLabel)"
  Pop $R0
  ${NSD_CreateText} 0 12u 100% 13u "$Station"
  Pop $StationField
  ${NSD_CreateLabel} 0 36u 100% 10u "$(FingerprintLabel)"
  Pop $R0
  ${NSD_CreateText} 0 48u 100% 13u "$Fingerprint"
  Pop $FingerprintField
  ${NSD_CreateLabel} 0 72u 100% 10u "$(SeatLabel)"
  Pop $R0
  ${NSD_CreateText} 0 84u 30% 13u "$Seat"
  Pop $SeatField
  nsDialogs::Show
FunctionEnd

Function TakeStation
  ${NSD_GetText} $StationField $Station
  ${NSD_GetText} $FingerprintField $Fingerprint
  ${NSD_GetText} $SeatField $Seat
FunctionEnd

; The new program is unpacked beside the old one and tried before anything of the old one is touched.
Section "Unpack"
  RMDir /r "$INSTDIR\new"
  !ifdef HAS_AMD64
    ${If} ${RunningX64}
      !include "${STAGE}/files-amd64.nsh"
    ${EndIf}
  !endif
  !ifdef HAS_WIN32
    ${IfNot} ${RunningX64}
      !include "${STAGE}/files-win32.nsh"
    ${EndIf}
  !endif
SectionEnd

Section "Try the new program"
  SetOutPath "$INSTDIR"
  nsExec::ExecToLog '"$INSTDIR\new\runtime\python.exe" -c "import client_agent.__main__, psutil, cryptography.hazmat.primitives.asymmetric.ed25519"'
  Pop $Status
  ${If} $Status != "0"
    RMDir /r "$INSTDIR\new"
    !insertmacro Refuse ${CANNOT_RUN} "$(CannotRun)"
  ${EndIf}
SectionEnd

Section "Stop the old program"
  ${If} $HadOld == "yes"
    ; Asked again: a test may have begun since this set-up was opened.
    !insertmacro Agent "restore --unless-locked"
    ${If} $Status != "0"
      RMDir /r "$INSTDIR\new"
      !insertmacro Refuse ${LOCKED} "$(IsLocked)"
    ${EndIf}
    !insertmacro Service "stop ${SERVICE}"
    !insertmacro Agent "restore"
    ${If} $Status != "0"
      RMDir /r "$INSTDIR\new"
      !insertmacro Service "start ${SERVICE}"
      !insertmacro Refuse ${NOT_PUT_BACK} "$(IsNotPutBack)"
    ${EndIf}
  ${EndIf}
SectionEnd

Section "Put the new program in its place"
  RMDir /r "$INSTDIR\old"
  ${If} $HadOld == "yes"
    CreateDirectory "$INSTDIR\old"
    ClearErrors
    Rename "$INSTDIR\runtime" "$INSTDIR\old\runtime"
    Rename "$INSTDIR\app" "$INSTDIR\old\app"
    ${If} ${Errors}
      ; Somebody runs it by hand: what was moved goes back.
      Rename "$INSTDIR\old\runtime" "$INSTDIR\runtime"
      RMDir /r "$INSTDIR\new"
      !insertmacro Service "start ${SERVICE}"
      !insertmacro Refuse ${NOT_PUT_BACK} "$(IsNotPutBack)"
    ${EndIf}
  ${EndIf}
  ; What a set-up left that was cut off here.
  RMDir /r "$INSTDIR\runtime"
  RMDir /r "$INSTDIR\app"
  ClearErrors
  Rename "$INSTDIR\new\runtime" "$INSTDIR\runtime"
  Rename "$INSTDIR\new\app" "$INSTDIR\app"
  ${If} ${Errors}
    !insertmacro Refuse ${NOT_PUT_BACK} "$(IsNotPutBack)"
  ${EndIf}
  RMDir /r "$INSTDIR\new"
  RMDir /r "$INSTDIR\old"
  SetOutPath "$INSTDIR"
  SetOverwrite try
  File "${STAGE}/nssm.exe"
  SetOverwrite on
  File "${STAGE}/exam-agent.cmd"
  File "${STAGE}/LICENSE.txt"
  WriteUninstaller "$INSTDIR\uninstall.exe"
SectionEnd

; Only the system and administrators may open the folder with the device's token and the undo file; also where somebody
; had made a folder of that name before, who would own it and could open it again.
Section "Settings"
  CreateDirectory "$APPDATA\exam-agent\log"
  nsExec::ExecToLog '"$SYSDIR\icacls.exe" "$APPDATA\exam-agent" /setowner *S-1-5-32-544 /T /C /Q'
  Pop $Status
  nsExec::ExecToLog '"$SYSDIR\icacls.exe" "$APPDATA\exam-agent" /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F'
  Pop $Status
  nsExec::ExecToLog '"$SYSDIR\icacls.exe" "$APPDATA\exam-agent\*" /reset /T /C /Q'
  Pop $Status
  StrCpy $R1 ""
  ${If} $Fingerprint != ""
    StrCpy $R1 '--fingerprint "$Fingerprint"'
  ${EndIf}
  ${If} $Station != ""
    !insertmacro Agent 'pair "$Station" --later $R1'
    ${If} $Status != "0"
      SetErrorLevel ${NOT_REGISTERED}
    ${EndIf}
  ${EndIf}
  ${If} $Seat != ""
    ${If} $Room != ""
      StrCpy $R1 '$R1 --room "$Room"'
    ${EndIf}
    StrCpy $R2 "auto"
    ${If} $Station != ""
      StrCpy $R2 "$Station"
    ${EndIf}
    !insertmacro Agent 'pair "$R2" --seat "$Seat" $R1'
    ${If} $Status != "0"
      DetailPrint "$(NotYetRegistered)"
      SetErrorLevel ${NOT_REGISTERED}
    ${EndIf}
  ${EndIf}
SectionEnd

; The command line of the service names no path but the runtime's: a folder's space can come between nothing.
Section "Service"
  ReadRegStr $R0 HKLM "SYSTEM\CurrentControlSet\Services\${SERVICE}" "ImagePath"
  ${If} $R0 == ""
    !insertmacro Service 'install ${SERVICE} "$INSTDIR\runtime\python.exe" -m client_agent service'
  ${EndIf}
  !insertmacro Service 'set ${SERVICE} Application "$INSTDIR\runtime\python.exe"'
  !insertmacro Service 'set ${SERVICE} AppDirectory "$INSTDIR"'
  !insertmacro Service 'set ${SERVICE} AppParameters "-m client_agent service"'
  !insertmacro Service 'set ${SERVICE} DisplayName "考试机程序 Exam Agent"'
  !insertmacro Service 'set ${SERVICE} Description "按考站的指令锁定和恢复本机。Locks and restores this PC as the exam station orders."'
  !insertmacro Service 'set ${SERVICE} ObjectName LocalSystem'
  !insertmacro Service 'set ${SERVICE} Start SERVICE_AUTO_START'
  !insertmacro Service 'set ${SERVICE} AppExit Default Restart'
  !insertmacro Service 'set ${SERVICE} AppRestartDelay 1000'
  ; The end puts the PC back, which takes its time: Ctrl+C, then a minute, before anything harsher.
  !insertmacro Service 'set ${SERVICE} AppStopMethodConsole 60000'
  !insertmacro Service 'set ${SERVICE} AppStdout "$APPDATA\exam-agent\log\service.log"'
  !insertmacro Service 'set ${SERVICE} AppStderr "$APPDATA\exam-agent\log\service.log"'
  !insertmacro Service 'set ${SERVICE} AppRotateFiles 1'
  !insertmacro Service 'set ${SERVICE} AppRotateOnline 1'
  !insertmacro Service 'set ${SERVICE} AppRotateBytes 2097152'
  ; Read back: a return code alone proves nothing.
  ReadRegStr $R0 HKLM "SYSTEM\CurrentControlSet\Services\${SERVICE}" "ImagePath"
  ReadRegStr $R1 HKLM "SYSTEM\CurrentControlSet\Services\${SERVICE}\Parameters" "AppDirectory"
  ${If} $R0 == ""
  ${OrIf} $R1 != "$INSTDIR"
    !insertmacro Refuse ${NO_SERVICE} "$(NoService)"
  ${EndIf}
  !insertmacro Service "start ${SERVICE}"
SectionEnd

Section "Links"
  FileOpen $R1 "$WINDIR\exam-agent.cmd" w
  FileWrite $R1 '@"$INSTDIR\exam-agent.cmd" %*$\r$\n'
  FileClose $R1
  ; An update may speak another language than the first set-up did.
  ReadRegStr $R0 HKLM "${UNINSTALL}" "StartMenu"
  ${If} $R0 != ""
    Delete "$R0\*.lnk"
    RMDir "$R0"
  ${EndIf}
  CreateDirectory "$SMPROGRAMS\$(ProgramName)"
  !insertmacro AdministratorLink "$SMPROGRAMS\$(ProgramName)\$(CheckLink).lnk" "check"
  !insertmacro AdministratorLink "$SMPROGRAMS\$(ProgramName)\$(RestoreLink).lnk" "restore"
  WriteRegStr HKLM "${UNINSTALL}" "DisplayName" "$(ProgramName) exam-agent"
  WriteRegStr HKLM "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKLM "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKLM "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKLM "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegStr HKLM "${UNINSTALL}" "StartMenu" "$SMPROGRAMS\$(ProgramName)"
  WriteRegDWORD HKLM "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD HKLM "${UNINSTALL}" "NoRepair" 1
SectionEnd

Function un.onInit
  !insertmacro KnowThisPC
FunctionEnd

; Restore first, remove last: a PC is never left changed with nobody to put it back.
Section "Uninstall"
  !insertmacro Agent "restore --unless-locked"
  ${If} $Status != "0"
    !insertmacro Refuse ${LOCKED} "$(IsLocked)"
  ${EndIf}
  !insertmacro Service "stop ${SERVICE}"
  !insertmacro Agent "restore"
  ${If} $Status != "0"
    !insertmacro Service "start ${SERVICE}"
    !insertmacro Refuse ${NOT_PUT_BACK} "$(IsNotPutBack)"
  ${EndIf}
  !insertmacro Service "remove ${SERVICE} confirm"
  SetOutPath "$TEMP"
  RMDir /r "$INSTDIR\app"
  RMDir /r "$INSTDIR\runtime"
  Delete "$INSTDIR\nssm.exe"
  Delete "$INSTDIR\exam-agent.cmd"
  Delete "$INSTDIR\LICENSE.txt"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  Delete "$WINDIR\exam-agent.cmd"
  ReadRegStr $R0 HKLM "${UNINSTALL}" "StartMenu"
  ${If} $R0 != ""
    Delete "$R0\*.lnk"
    RMDir "$R0"
  ${EndIf}
  DeleteRegKey HKLM "${UNINSTALL}"
  ; Candidates' work folders lie elsewhere and are not touched.
  ${If} ${FileExists} "$APPDATA\exam-agent\undo.json*"
    DetailPrint "$(KeptForRestore)$APPDATA\exam-agent"
  ${Else}
    RMDir /r "$APPDATA\exam-agent"
    ; Candidates may change what is in it: this removes a junction there and not what lies behind it.
    nsExec::ExecToLog '"$SYSDIR\cmd.exe" /c rd /s /q "$APPDATA\exam-agent-browser"'
    Pop $Status
  ${EndIf}
SectionEnd
