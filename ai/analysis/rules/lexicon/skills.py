"""Skills by name: the name shown, then other spellings. Matched as whole words, letter case ignored unless it matters."""

from typing import Final

SKILLS: Final[tuple[tuple[str, ...], ...]] = (
    ("Python",), ("Java",), ("JavaScript", "Javascript", "ECMAScript"), ("TypeScript",), ("C++", "C plus plus"), ("C#", "C Sharp"),
    (".NET", "dotnet", "ASP.NET", ".NET Core"), ("Go", "Golang", "Go lang"), ("Rust",), ("Ruby",), ("Ruby on Rails", "Rails"), ("PHP",),
    ("Kotlin",), ("Swift",), ("Scala",), ("Perl",), ("Elixir",), ("Erlang",), ("Haskell",), ("Clojure",), ("MATLAB",), ("Julia",),
    ("Bash", "Shell scripting", "shell scripts"), ("PowerShell",), ("SQL",), ("HTML", "HTML5"), ("CSS", "CSS3"), ("Sass", "SCSS"),
    ("Tailwind", "Tailwind CSS"), ("React", "React.js", "ReactJS"), ("React Native",), ("Angular", "AngularJS"), ("Vue", "Vue.js", "VueJS"),
    ("Svelte",), ("Next.js", "NextJS"), ("Node.js", "NodeJS", "Node"), ("Express", "Express.js"), ("Django",), ("Flask",), ("FastAPI",),
    ("Spring Boot", "Springboot", "Spring"), ("Hibernate",), ("Laravel",), ("Symfony",), ("Flutter",), ("Dart",), ("Android",), ("iOS",),
    ("GraphQL",), ("REST", "REST APIs", "REST-APIs", "RESTful", "REST API", "APIs REST", "API REST"), ("gRPC",), ("OpenAPI",),
    ("PostgreSQL", "Postgres"), ("MySQL",), ("MariaDB",), ("Oracle",), ("SQL Server", "MSSQL"), ("SQLite",), ("MongoDB",), ("Redis",),
    ("Elasticsearch", "Elastic Search"), ("OpenSearch",), ("Cassandra",), ("DynamoDB",), ("Neo4j",), ("ClickHouse",), ("DuckDB",),
    ("Snowflake",), ("BigQuery",), ("Redshift",), ("Databricks",), ("Spark", "Apache Spark", "PySpark"), ("Hadoop",), ("Hive",),
    ("Kafka", "Apache Kafka"), ("RabbitMQ",), ("Flink",), ("Airflow", "Apache Airflow"), ("dbt",), ("Dagster",), ("ETL",),
    ("Power BI", "PowerBI"), ("Tableau",), ("Looker",), ("Qlik", "QlikView", "Qlik Sense"), ("Excel", "MS Excel"), ("VBA",),
    ("pandas",), ("NumPy",), ("scikit-learn", "sklearn"), ("PyTorch",), ("TensorFlow",), ("Keras",), ("XGBoost",),
    ("Hugging Face", "HuggingFace"), ("LangChain",), ("Machine Learning", "maschinelles Lernen", "aprendizaje automático", "apprentissage automatique"),
    ("Deep Learning",), ("NLP", "Natural Language Processing"), ("Computer Vision",), ("LLM", "LLMs", "large language models"),
    ("Statistics", "Statistik", "estadística", "statistiques"), ("A/B testing", "A/B tests"), ("MLflow",), ("CUDA",), ("MLOps",),
    ("AWS", "Amazon Web Services"), ("Azure", "Microsoft Azure"), ("GCP", "Google Cloud", "Google Cloud Platform"), ("Docker",),
    ("Kubernetes", "k8s"), ("Helm",), ("Terraform",), ("Ansible",), ("Puppet",), ("Jenkins",), ("GitHub Actions",), ("GitLab CI", "GitLab"),
    ("CI/CD", "continuous integration"), ("Git",), ("Linux",), ("Windows Server",), ("Nginx",), ("Prometheus",), ("Grafana",),
    ("Datadog",), ("Splunk",), ("VMware",), ("OpenStack",), ("Serverless",), ("Microservices", "microservicios", "Microservice"), ("DevOps",),
    ("Networking", "TCP/IP"), ("Active Directory",), ("Okta",), ("Penetration testing", "pentesting"), ("ISO 27001",), ("SIEM",), ("OWASP",),
    ("SAP", "SAP S/4HANA", "S/4HANA"), ("ABAP",), ("Salesforce",), ("ServiceNow",), ("HubSpot",), ("Jira",), ("Confluence",), ("Scrum",),
    ("Kanban",), ("Agile", "agile methods", "agiles Arbeiten", "métodos ágiles", "méthodes agiles"), ("PRINCE2",), ("PMP",), ("ITIL",),
    ("Figma",), ("Sketch",), ("Adobe XD",), ("Photoshop",), ("Illustrator",), ("InDesign",), ("UX research", "user research"), ("WordPress",),
    ("Shopify",), ("SEO",), ("SEM",), ("Google Analytics",), ("Google Ads",), ("Content marketing",), ("Copywriting",), ("CRM",),
    ("Accounting", "Buchhaltung", "contabilidad", "comptabilité"), ("IFRS",), ("HGB",), ("US GAAP", "GAAP"), ("DATEV",), ("Payroll",),
    ("Financial modelling", "financial modeling"), ("Bookkeeping",), ("Negotiation",), ("Project management", "Projektmanagement", "gestión de proyectos", "gestion de projet"),
    ("AutoCAD",), ("SolidWorks",), ("CATIA",), ("Revit",), ("BIM",), ("PLC", "SPS"), ("CNC",), ("Lean", "Lean Management"), ("Six Sigma",),
    ("Embedded C",), ("FPGA",), ("VHDL",), ("Verilog",), ("ROS",), ("AUTOSAR",), ("CAN bus",), ("MISRA",), ("Simulink",),
    ("Selenium",), ("Cypress",), ("Playwright",), ("JUnit",), ("pytest",), ("Postman",), ("JMeter",), ("Test automation", "Testautomatisierung"),
    ("Unity",), ("Unreal Engine",), ("Blender",), ("OpenGL",), ("WebGL",), ("Solidity",), ("Blockchain",), ("Streamlit",), ("Plotly",),
    ("First aid", "first-aid certificate", "Erste Hilfe", "primeros auxilios", "premiers secours", "primeiros socorros", "EHBO", "primo soccorso"), ("Patient care", "Pflege", "soins"), ("HACCP",), ("Forklift licence", "Staplerschein", "Gabelstaplerschein", "Gabelstaplerführerschein", "forklift license", "forklift ticket", "forklift certificate", "heftruckcertificaat", "patentino muletto"),
    ("Driving licence", "Führerschein", "Führerschein Klasse B", "carné de conducir", "permis de conduire", "permis B", "driver's license", "driver’s license", "driver's licence", "driver’s licence", "driving license", "Fahrerlaubnis", "Fahrerlaubnis Klasse B", "Führerschein der Klasse B", "Führerschein B", "carnet de conducir", "carné de conducir B", "permiso de conducir", "licencia de conducir", "carta de condução", "CNH", "rijbewijs", "rijbewijs B", "patente B", "patente di guida", "B-körkort", "körkort", "prawo jazdy"),
    ("Microsoft Office", "MS Office", "Office 365", "Microsoft 365", "MS-Office"), ("PowerPoint",), ("Outlook",), ("SharePoint",), ("Word",), ("SAP FICO", "SAP FI/CO", "SAP FI"),
    ("SAP PM",), ("SAP MM",), ("SAP SD",), ("Oracle EBS",), ("NetSuite",), ("Workday",), ("Xero",), ("QuickBooks",), ("Sage",), ("Lexware",),
    ("Mailchimp",), ("Meta Ads", "Facebook Ads"), ("Canva",), ("Adobe Creative Suite", "Creative Cloud", "Adobe CC"), ("After Effects",), ("Premiere Pro",), ("Final Cut",),
    ("Zendesk",), ("Intercom",), ("Gainsight",), ("Notion",), ("Asana",), ("Trello",), ("Typo3",), ("Drupal",), ("Magento",), ("WooCommerce",), ("Webflow",), ("Markdown",),
    ("Quarkus",), ("Micronaut",), ("NestJS",), ("Nuxt", "Nuxt.js"), ("Three.js",), ("D3", "D3.js"), ("jQuery",), ("Bootstrap",), ("Webpack",), ("Vite",), ("Storybook",),
    ("Composer",), ("COBOL",), ("Fortran",), ("Delphi",), ("Lua",), ("Groovy",), ("SAS",), ("SPSS",), ("Stata",), ("Minitab",), ("Alteryx",), ("Power Automate",), ("Power Apps",),
    ("Argo CD", "ArgoCD"), ("OpenShift",), ("Istio",), ("Pulumi",), ("CloudFormation",), ("AWS Lambda", "Lambda"), ("EKS",), ("Google Kubernetes Engine", "GKE"), ("Azure DevOps",), ("Bamboo",),
    ("TeamCity",), ("CircleCI",), ("Chef",), ("SaltStack",), ("Proxmox",), ("Hyper-V",), ("Citrix",), ("Zabbix",), ("Nagios",), ("ELK", "ELK stack"), ("OpenTelemetry",),
    ("Red Hat", "RHEL", "Red Hat Enterprise Linux"), ("Debian",), ("Ubuntu",), ("Windows",), ("macOS",), ("Exchange",), ("Intune",), ("Cisco",), ("Juniper",), ("Fortinet",), ("BGP",), ("DNS",), ("VPN",),
    ("ISO 9001",), ("ISO 13485",), ("ISO 14001",), ("GxP",), ("GMP",), ("LIMS",), ("HPLC",), ("PCR",), ("FMEA",), ("8D",), ("SPC",), ("TPM",), ("Kaizen",), ("5S",), ("APQP",),
    ("GDPR", "DSGVO", "RGPD"), ("SOX",), ("KYC",), ("AML",), ("M&A",), ("US tax",), ("VAT",), ("Siemens S7", "S7", "Simatic"), ("TIA Portal",), ("EPLAN",), ("KNX",), ("SCADA",), ("Ansys",), ("Inventor",), ("Creo",),
    ("Rhino",), ("SketchUp",), ("ArcGIS",), ("QGIS",), ("GIS",), ("LabVIEW",), ("Altium",), ("KiCad",), ("COMSOL",), ("OpenFOAM",), ("HL7",), ("FHIR",), ("DICOM",),
    ("Photovoltaics", "Photovoltaik"), ("Welding", "Schweißen", "soldadura", "soudure"), ("Food hygiene", "food safety"), ("Inventory management", "inventarios", "gestión de inventarios"), ("Design systems", "design system"),
    ("Accessibility", "Barrierefreiheit", "accessibilité", "accesibilidad", "WCAG"), ("Distributed systems",), ("Event sourcing",), ("Domain-driven design", "DDD"), ("Gradient boosting",), ("Time series",),
    ("Data modelling", "data modeling"), ("Data engineering",), ("POS",), ("Cash register", "Kasse", "caja", "caisse"), ("Instagram",), ("TikTok",), ("Squarespace",),
    ("SAFe",), ("Lean Six Sigma",), ("Monday.com",), ("MS Project",), ("Primavera", "Primavera P6"), ("CAM",), ("Coaching",),
    ("Customer service", "Kundenservice", "atención al cliente", "service client"),
)  # fmt: skip

CASE_MATTERS: Final = frozenset({
    "Go", "R", "C", "Node", "Spring", "Express", "Rails", "Sketch", "Unity", "Lean", "Hive", "Helm", "Swift", "Rust", "Dart", "Spark",
    "Oracle", "Excel", "REST", "SEM", "Agile", "Looker", "SPS", "Puppet", "Julia", "Perl", "Ruby", "Splunk", "Pflege", "soins",
    "Illustrator", "Elixir", "ROS", "BIM", "PLC", "CAN bus", "dbt", "Flask", "Kotlin", "Scala", "Prometheus", "Cassandra", "React",
    "Angular", "Windows Server", "Linux", "Java", "Git", "Sass", "Cypress", "Playwright", "Blender", "Keras", "Word", "Windows", "Chef", "Sage", "Exchange", "Outlook", "Notion", "Canva", "SAS", "Composer", "Bamboo", "Opera", "Inventor", "Creo", "Primavera", "POS", "CAM", "GIS",
    "Instagram", "TikTok", "Bootstrap", "Fortran", "Lua", "Lambda", "Kasse", "caja", "caisse", "TPM", "SPC", "DNS", "VPN", "AML", "VAT", "DDD", "Coaching", "Rhino", "Groovy", "Delphi", "Vite", "GLM", "ELK", "DFT", "Asana", "Cisco", "Juniper", "SCADA", "LIMS", "CNH", "S7", "D3", "Storybook", "Intercom", "Nedap", "Istio", "Cash register",
})  # fmt: skip
"""Names that are also ordinary words: taken only as they are written here."""

RISKY: Final = ("Go", "R", "C")
"""Names of one or two letters: taken only inside a list of other skills ("Python, Go, SQL")."""
