{
  "variables": {
    "sanitize%": "",
    "strict_cxx": ["-std=c++20", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-unused-parameter"]
  },
  "target_defaults": {
    "conditions": [
      ["sanitize=='address'", {
        "cflags": ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-O1", "-g"],
        "ldflags": ["-fsanitize=address,undefined"]
      }]
    ]
  },
  "targets": [
    {
      "target_name": "kernel",
      "sources": [
        "src/addon.cc",
        "src/descriptors.cc",
        "src/errno_error.cc",
        "src/fd_watcher.cc",
        "src/flow_hash.cc",
        "src/group_rules.cc",
        "src/group_table.cc",
        "src/membership_socket.cc",
        "src/memory.cc",
        "src/mroute_calls.cc",
        "src/mroute_socket.cc",
        "src/netlink_socket.cc",
        "src/notify_receiver.cc",
        "src/notify_socket.cc",
        "src/packet_socket.cc",
        "src/peer_credentials.cc",
        "src/prefix.cc",
        "src/scheduling.cc",
        "src/signalling_socket.cc",
        "src/standard_streams.cc",
        "src/unix_address.cc",
        "src/upcall_reader.cc",
        "src/upcall_responder.cc",
        "src/upcall_rules.cc",
        "src/upcall_thread.cc",
        "src/wakeup.cc"
      ],
      "dependencies": ["<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except_all"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "cflags_cc": ["<@(strict_cxx)"]
    }
  ],
  "conditions": [
    ["sanitize==''", {
      "targets": [
        {
          "target_name": "mcroute-launch",
          "type": "executable",
          "product_extension": "",
          "sources": [
            "src/capabilities.cc",
            "src/launch.cc",
            "src/launch_control_socket.cc",
            "src/launch_daemon.cc",
            "src/launch_descriptors.cc",
            "src/launch_directory.cc",
            "src/launch_keeper.cc",
            "src/launch_options.cc",
            "src/launch_parent.cc",
            "src/launch_privileges.cc",
            "src/launch_realtime.cc",
            "src/launch_report.cc",
            "src/launch_runtime_directory.cc",
            "src/launch_signalling.cc",
            "src/launch_smcrouted_options.cc",
            "src/launch_sockets.cc",
            "src/launch_state_directory.cc",
            "src/launch_user.cc",
            "src/standard_streams.cc"
          ],
          "defines": ["MCROUTE_VERSION=\"<!(node -p \"require('../package.json').version\")\""],
          "cflags_cc!": ["-fno-exceptions", "-fno-rtti"],
          "cflags_cc": ["<@(strict_cxx)"]
        }
      ]
    }]
  ]
}
